/** One event the gateway refused, and why; it will never be accepted. */
export interface Rejection {
  index: number;
  eventId?: string;
  code: string;
  message: string;
}

/** What came of a request. */
export type Outcome =
  /** The gateway has decided on every event. */
  | { kind: 'answered'; accepted: number; rejected: Rejection[] }
  /** Not in this size: to be halved. */
  | { kind: 'split' }
  /** Later, and not before `afterMs`. */
  | { kind: 'later'; afterMs: number }
  /** No answer: offline, blocked, cut off, or somebody else's page instead of the gateway's answer. */
  | { kind: 'unreachable' };

/** When it is our set-up that is wrong (a write key, an address), a repetition helps only after somebody mended it. */
const MISCONFIGURED_MS = 5 * 60_000;
const LONGEST_WAIT_MS = 3_600_000;

/** What an answer means. `now` in milliseconds since 1970, for a `Retry-After` that names a date. */
export async function outcomeOf(response: Response, now: number): Promise<Outcome> {
  const { status, ok } = response;
  if (ok || status === 422) {
    const body = await response.json().catch(() => null);
    if (!body?.rejected) return { kind: 'unreachable' };
    return { kind: 'answered', accepted: body.accepted || 0, rejected: body.rejected };
  }
  // 400 cannot be, and if it is, one event must not hold up the others.
  if (status === 413 || status === 400) return { kind: 'split' };
  const told = retryAfterMs(response.headers.get('Retry-After'), now);
  const passing = status > 499 || status === 429 || status === 408;
  return { kind: 'later', afterMs: told || (passing ? 0 : MISCONFIGURED_MS) };
}

/** `Retry-After` as milliseconds from now: seconds, or an HTTP date; 0 where there is none to be read. */
export function retryAfterMs(header: string | null, now: number): number {
  if (!header) return 0;
  const wait = +header * 1000 || Date.parse(header) - now || 0;
  return Math.min(LONGEST_WAIT_MS, Math.max(0, wait));
}

const FIRST_MS = 1000;
const CAP_MS = 5 * 60_000;
const UNREACHABLE_MS = 30_000;

/**
 * How long to wait after the `attempt`-th failure in a row (from 1), in milliseconds: full jitter under an
 * exponential bound, after what the server asked for. After three requests without any answer (an ad blocker does that,
 * and will go on doing it) the tries become rare.
 */
export function delayMs(outcome: Outcome, attempt: number, random: number): number {
  if (outcome.kind === 'unreachable' && attempt >= 3) {
    return Math.min(CAP_MS, UNREACHABLE_MS * 2 ** (attempt - 3)) * (0.5 + random / 2);
  }
  const bound = Math.min(CAP_MS, FIRST_MS * 2 ** (attempt - 1));
  return (outcome.kind === 'later' ? outcome.afterMs : 0) + random * bound;
}
