/** Placeholder. */
export interface History {
  epoch: number;
}
