import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { note } from '../src/recorder.js';
import { endId, IDLE_MS, isOver, LONGEST_MS, type Session } from '../src/session.js';
import { joinShared, nothingShared, type Shared } from '../src/shared.js';
import type { AnyEvent } from '../src/types.js';
import { uuid } from '../src/uuid.js';

const VIEW = ['navigation', 'page_view'] as const;
const NOON = Date.parse('2026-05-04T12:00:00Z');

/** Notes a page view at each moment; gives all events, parsed. */
function walk(moments: number[], shared: Shared = nothingShared()): AnyEvent[] {
  const events: string[] = [];
  for (const at of moments) {
    const noted = note(shared, 'tab', at, VIEW);
    shared = { ...shared, ...noted };
    events.push(...noted.events);
  }
  return events.map((json) => JSON.parse(json) as AnyEvent);
}

const actions = (events: AnyEvent[]) => events.map(({ action }) => action);

describe('a session', () => {
  test('begins with the first event and goes on for less than half an hour of silence', () => {
    const events = walk([NOON, NOON + IDLE_MS - 1]);
    expect(actions(events)).toEqual(['session_start', 'page_view', 'page_view']);
    expect(new Set(events.map(({ sessionId }) => sessionId)).size).toBe(1);
  });

  test('ends where its last event was, after half an hour', () => {
    const events = walk([NOON, NOON + 60_000, NOON + 60_000 + IDLE_MS]);
    expect(actions(events)).toEqual([
      'session_start',
      'page_view',
      'page_view',
      'session_end',
      'session_start',
      'page_view',
    ]);
    const [end, begin] = [events[3], events[4]];
    expect(end?.timestamp).toBe('2026-05-04T12:01:00.000Z');
    expect(end?.sessionId).toBe(events[0]?.sessionId);
    expect(begin?.sessionId).not.toBe(events[0]?.sessionId);
  });

  test('ends where the learner did something last, whatever the page reported after that', () => {
    let shared = nothingShared();
    const events: AnyEvent[] = [];
    const happened: [number, ...NonNullable<Parameters<typeof note>[3]>][] = [
      [NOON, 'navigation', 'page_view'],
      [NOON + 15_300, 'performance', 'page_load', { value: 1 }],
      [NOON + 200_000, 'error', 'api_error'],
      [NOON + 200_000 + IDLE_MS, 'navigation', 'page_view'],
    ];
    for (const [at, ...event] of happened) {
      const noted = note(shared, 'tab', at, event);
      shared = { ...shared, ...noted };
      events.push(...noted.events.map((json) => JSON.parse(json) as AnyEvent));
    }
    const end = events.find(({ action }) => action === 'session_end');
    expect(end?.timestamp).toBe('2026-05-04T12:00:00.000Z');
  });

  test('is never longer than a day', () => {
    const steps = Array.from({ length: 26 * 6 }, (_, n) => NOON + n * 600_000);
    const starts = walk(steps).filter(({ action }) => action === 'session_start');
    expect(starts.map(({ timestamp }) => Date.parse(timestamp) - NOON)).toEqual([0, LONGEST_MS]);
  });

  test('does not go on for a year because the clock was a year ahead', () => {
    const events = walk([NOON + 365 * LONGEST_MS, NOON]);
    expect(actions(events).filter((action) => action === 'session_start')).toHaveLength(2);
  });

  test('ended by the clock is ended once', () => {
    const begun = note(nothingShared(), 'tab', NOON, VIEW);
    const ended = note(begun, 'tab', NOON + IDLE_MS);
    expect(ended.events).toHaveLength(1);
    expect(note(ended, 'tab', NOON + IDLE_MS + 1).events).toEqual([]);
    const next = note(ended, 'tab', NOON + 2 * IDLE_MS, VIEW);
    expect(next.events).toHaveLength(2);
  });

  test('begun by two tabs at the same moment is one, and its start and end are one event each', () => {
    const begun = note(nothingShared(), 'tab', NOON, VIEW);
    const later = NOON + IDLE_MS + 5;
    const [a, b] = ['one', 'two'].map((tab) =>
      note(begun, tab, later, VIEW).events.map((json) => JSON.parse(json) as AnyEvent),
    );
    const ids = (events: AnyEvent[] = [], action = '') =>
      events.filter((event) => event.action === action).map(({ eventId, sessionId }) => [eventId, sessionId]);
    expect(ids(a, 'session_end')).toEqual(ids(b, 'session_end'));
    expect(ids(a, 'session_start')).toEqual(ids(b, 'session_start'));
    expect(ids(a, 'page_view')[0]?.[1]).toBe(ids(b, 'page_view')[0]?.[1]);
  });
});

describe('what two tabs know', () => {
  const session = fc.record({
    id: fc.constantFrom('a', 'b'),
    startedAt: fc.constant(NOON),
    lastAt: fc.nat(3).map((n) => NOON + n),
    nextId: fc.constantFrom('n', 'm'),
    ended: fc.boolean(),
  }) as fc.Arbitrary<Session>;
  const shared: fc.Arbitrary<Shared> = fc.record({
    choice: fc.record({ off: fc.boolean(), at: fc.constantFrom(0, NOON, NOON + 1) }),
    session: fc.option(session, { nil: null }),
    history: fc.record({
      epoch: fc.constantFrom(0, NOON, NOON + 1),
      sessions: fc.constant({}),
      counts: fc.constant({}),
    }),
  });

  test('comes to the same, whoever asks whom and how often', () => {
    fc.assert(
      fc.property(shared, shared, shared, (a, b, c) => {
        expect(joinShared(a, b)).toEqual(joinShared(b, a));
        expect(joinShared(joinShared(a, b), c)).toEqual(joinShared(a, joinShared(b, c)));
        expect(joinShared(a, a)).toEqual(a);
      }),
      { numRuns: 1000 },
    );
  });

  test('of a choice is the later one, of a session the one with the later event, of an erasure what came after', () => {
    const older = { ...nothingShared(), choice: { off: true, at: NOON } };
    const newer = { ...nothingShared(), choice: { off: false, at: NOON + 1 } };
    expect(joinShared(older, newer).choice.off).toBe(false);
    const begun = { ...nothingShared(), ...note(nothingShared(), 'tab', NOON, VIEW) };
    const gone = { ...begun, ...note(begun, 'tab', NOON + 9, VIEW) };
    expect(joinShared(gone, begun).session?.lastAt).toBe(NOON + 9);
    const erased = { ...nothingShared(), history: { epoch: NOON + 10, sessions: {}, counts: {} } };
    expect(joinShared(gone, erased)).toMatchObject({ session: null, history: { sessions: {} } });
  });
});

test('ids are UUIDs of version 4, and that of an end differs from that of its start', () => {
  fc.assert(
    fc.property(fc.constant(0), () => {
      const id = uuid();
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(endId(id)).toMatch(/^[0-9a-f-]{36}$/);
      expect(endId(id)).not.toBe(id);
      expect(endId(endId(id))).toBe(id);
    }),
  );
});

test('a session is over after silence, in either direction of the clock', () => {
  const session = { id: 'a', startedAt: NOON, lastAt: NOON, nextId: 'b' };
  expect(isOver(session, NOON + IDLE_MS - 1)).toBe(false);
  expect(isOver(session, NOON + IDLE_MS)).toBe(true);
  expect(isOver(session, NOON - IDLE_MS)).toBe(true);
});
