/** Placeholder. */
export interface Session {
  id: string;
}
