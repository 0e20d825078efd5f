/** So long without an event ends a session. */
export const IDLE_MS = 30 * 60_000;
/** No session is longer. */
export const LONGEST_MS = 24 * 3_600_000;

/** A session of this browser; all its tabs share it. Times in milliseconds since 1970. */
export interface Session {
  id: string;
  startedAt: number;
  lastAt: number;
  /**
   * The id of the session after this one. Two tabs that find this one ended at the same moment
   * begin the same next session, without asking each other.
   */
  nextId: string;
  /** Whether its `session_end` has been noted. */
  ended?: boolean;
}

/** Whether something that happens now belongs to another session. A clock that was set back by hours counts as a gap. */
export function isOver(session: Session, now: number): boolean {
  return Math.abs(now - session.lastAt) >= IDLE_MS || now - session.startedAt >= LONGEST_MS;
}

/**
 * The id of the `session_end` of a session; that of its `session_start` is the session's own. So both are counted
 * once, whichever tabs send them.
 */
export function endId(sessionId: string): string {
  return sessionId.slice(0, -1) + (Number.parseInt(sessionId.slice(-1), 16) ^ 1).toString(16);
}
