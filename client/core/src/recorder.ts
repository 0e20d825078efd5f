import { prune, record } from './history.js';
import { endId, isOver, type Session } from './session.js';
import type { Shared } from './shared.js';
import type { Action, AnyEvent, Category, Detail } from './types.js';
import { uuid } from './uuid.js';

/** What tabs share after something happened, and the events to be sent for it, as JSON. */
export interface Noted {
  shared: Shared;
  events: string[];
}

/** Notes an event at `now` (ms since 1970) in the session that goes on, or in a new one. `tab` is who writes. */
export function noteEvent(
  shared: Shared,
  tab: string,
  now: number,
  category: Category,
  action: Action,
  detail?: Detail,
): Noted {
  const ended = endSession(shared, tab, now);
  const before = ended.shared.session;
  if (before && !before.ended) {
    const session = { ...before, lastAt: Math.max(before.lastAt, now) };
    return add({ ...shared, session }, tab, session.id, now, uuid(), category, action, detail);
  }
  const session = begin(before, now);
  const fresh = { ...ended.shared, session, history: prune(ended.shared.history, now) };
  const started = add(fresh, tab, session.id, now, session.id, 'conversation', 'session_start');
  const noted = add(started.shared, tab, session.id, now, uuid(), category, action, detail);
  return { shared: noted.shared, events: [...ended.events, ...started.events, ...noted.events] };
}

/** Ends the session if it is over at `now`, once; its end is when its last event was. */
export function endSession(shared: Shared, tab: string, now: number): Noted {
  const { session } = shared;
  if (!session || session.ended || !isOver(session, now)) return { shared, events: [] };
  const ended = { ...shared, session: { ...session, ended: true } };
  return add(ended, tab, session.id, session.lastAt, endId(session.id), 'conversation', 'session_end');
}

function begin(before: Session | null, now: number): Session {
  return { id: before?.nextId ?? uuid(), startedAt: now, lastAt: now, nextId: uuid() };
}

function add(
  shared: Shared,
  tab: string,
  sessionId: string,
  at: number,
  eventId: string,
  category: Category,
  action: Action,
  detail: Detail = {},
): Noted {
  const { label, value, metadata } = detail;
  const timestamp = new Date(at).toISOString();
  const event = { eventId, sessionId, timestamp, category, action, label, value, metadata };
  return {
    shared: { ...shared, history: record(shared.history, tab, sessionId, action, at) },
    events: [JSON.stringify(event satisfies Loose)],
  };
}

/** Every field of an event, whichever category and action go together. */
type Loose = { [K in keyof AnyEvent]: AnyEvent[K] | undefined };
