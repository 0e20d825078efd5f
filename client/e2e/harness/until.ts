const PATIENCE_MS = 20_000;
const PAUSE_MS = 50;

/**
 * Asks again and again until `accept` takes the answer, and returns that answer.
 * Rejects with the last answer after `patienceMs`.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  accept: (answer: T) => boolean,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const giveUp = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (accept(answer)) return answer;
    if (performance.now() > giveUp) {
      throw new Error(`not within ${patienceMs / 1000} s: ${what}; last seen: ${JSON.stringify(answer)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
