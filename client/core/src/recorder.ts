import { type History, prune, record } from './history.js';
import { endId, isOver, type Session } from './session.js';
import type { Shared } from './shared.js';
import type { Action, AnyEvent, Category, Detail } from './types.js';
import { uuid } from './uuid.js';

/** What tabs share after something happened, and the events to be sent for it, as JSON. */
export interface Noted {
  session: Session | null;
  history: History;
  events: string[];
}

/**
 * Notes an event at `now` (ms since 1970) in the session that goes on, or in a new one; without an event only ends the
 * session if it is over. `tab` is who writes.
 */
export function note(
  { session, history }: Omit<Shared, 'choice'>,
  tab: string,
  now: number,
  event?: readonly [category: Category, action: Action, detail?: Detail | undefined],
): Noted {
  const events: string[] = [];

  function add(
    session: Session,
    eventId: string,
    at: number,
    [category, action, detail = {}]: NonNullable<typeof event>,
  ): void {
    const { label, value, metadata } = detail;
    const timestamp = new Date(at).toISOString();
    const noted = { eventId, sessionId: session.id, timestamp, category, action, label, value, metadata };
    events.push(JSON.stringify(noted satisfies Loose));
    history = record(history, tab, session.id, action, at);
  }

  if (session && !session.ended && isOver(session, now)) {
    // At the last event of the learner's own doing: it counts as study, and what a page reports by itself is none.
    const at = history.sessions[session.id]?.at(-1)?.[1] || session.lastAt;
    add(session, endId(session.id), at, ['conversation', 'session_end']);
    session = { ...session, ended: true };
  }
  if (event) {
    if (!session || session.ended) {
      session = { id: session?.nextId ?? uuid(), startedAt: now, lastAt: now, nextId: uuid() };
      history = prune(history, now);
      add(session, session.id, now, ['conversation', 'session_start']);
    }
    session = { ...session, lastAt: Math.max(session.lastAt, now) };
    add(session, uuid(), now, event);
  }
  return { session, history, events };
}

/** Every field of an event, whichever category and action go together. */
type Loose = { [K in keyof AnyEvent]: AnyEvent[K] | undefined };
