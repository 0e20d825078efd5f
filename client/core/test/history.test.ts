import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  emptyHistory,
  GAP_MS,
  type History,
  join,
  prune,
  readHistory,
  record,
  SLOT_MS,
} from '../src/history.js';
import type { Action } from '../src/types.js';
import { type Happened, interleavings, NOT_STUDY, played, playedOnTabs } from './tabs.js';

const T = Date.UTC(2026, 4, 8, 9);
const DAY_MS = 86_400_000;
const ACTIONS: Action[] = ['page_view', 'message_sent', 'quiz_complete', 'api_error', 'page_load'];

/** Few sessions, and gaps around the limit, so that runs meet, miss each other by a millisecond, and join. */
const someEvents = fc.array(
  fc.record<Happened>({
    session: fc.constantFrom('a', 'b'),
    action: fc.constantFrom(...ACTIONS),
    at: fc.tuple(fc.nat(12), fc.constantFrom(-1, 0, 1)).map(([gaps, edge]) => T + gaps * (GAP_MS / 2) + edge),
  }),
  { maxLength: 25 },
);

const onTabs = someEvents.chain((events) =>
  interleavings(events.length).map((steps) => ({ events, steps, history: playedOnTabs(events, steps) })),
);

/** Histories that tabs could have at one time: each tab writes under its own name only, each event but once. */
const threeTabs = fc
  .tuple(someEvents, someEvents, someEvents, fc.nat(9), fc.nat(2))
  .map(([a, b, c, shared, erased]) => {
    const [first, second, third] = [a, b, c].map((events, tab) =>
      events.reduce(
        (history, { session, action, at }) => record(history, `${tab}`, session, action, at),
        emptyHistory(),
      ),
    ) as [History, History, History];
    const met = [join(first, second), third, second];
    return [
      first,
      met[shared % 3] as History,
      erased ? { ...third, epoch: erased - 1 } : join(third, first),
    ] as const;
  });

/** By brute force over the set of events: first moment and study time of each session. */
function sessionsOf(events: readonly Happened[]): Record<string, [first: number, study: number]> {
  const result: Record<string, [number, number]> = {};
  for (const session of new Set(events.map((event) => event.session))) {
    const own = events.filter((event) => event.session === session);
    const times = own.filter((event) => !NOT_STUDY.includes(event.action)).map((event) => event.at);
    times.sort((x, y) => x - y);
    const gaps = times.slice(1).map((at, index) => at - (times[index] as number));
    const study = gaps.filter((gap) => gap <= GAP_MS).reduce((sum, gap) => sum + gap, 0);
    result[session] = [Math.min(...own.map((event) => event.at)), study];
  }
  return result;
}

function toldSessions(history: History): ReturnType<typeof sessionsOf> {
  return Object.fromEntries(
    Object.entries(history.sessions).map(([session, runs]) => [
      session,
      [
        Math.min(...runs.map(([first]) => first)),
        runs.reduce((sum, [first, last]) => sum + (last && last - first), 0),
      ],
    ]),
  );
}

function countsOf(events: readonly Happened[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { action, at } of events) {
    const key = `${new Date(at - (at % SLOT_MS)).toISOString()} ${action}`;
    result[key] = (result[key] ?? 0) + 1;
  }
  return result;
}

function toldCounts(history: History): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [slot, tabs] of Object.entries(history.counts)) {
    for (const [action, count] of Object.values(tabs).flatMap((counts) => Object.entries(counts))) {
      const key = `${new Date(Number(slot) * SLOT_MS).toISOString()} ${action}`;
      result[key] = (result[key] ?? 0) + count;
    }
  }
  return result;
}

describe('join', () => {
  test('does not depend on who joins whom', () => {
    fc.assert(
      fc.property(threeTabs, ([a, b]) => {
        expect(join(a, b)).toEqual(join(b, a));
      }),
    );
  });

  test('does not depend on the order of joins', () => {
    fc.assert(
      fc.property(threeTabs, ([a, b, c]) => {
        expect(join(join(a, b), c)).toEqual(join(a, join(b, c)));
      }),
    );
  });

  test('of what is known already is the very same object', () => {
    fc.assert(
      fc.property(threeTabs, ([a, b]) => {
        const both = join(a, b);
        expect(join(both, a)).toBe(both);
        expect(join(both, b)).toBe(both);
        expect(join(both, both)).toBe(both);
      }),
    );
  });

  test('leaves both as they were', () => {
    fc.assert(
      fc.property(threeTabs, ([a, b]) => {
        const before = JSON.stringify([a, b]);
        join(a, b);
        expect(JSON.stringify([a, b])).toBe(before);
      }),
    );
  });

  test('after an erasure knows only what came later, in whatever order the tabs hear of it', () => {
    const old = played([{ session: 'a', action: 'page_view', at: T }]);
    const erased = record(emptyHistory(T + 1), 'tab', 'b', 'page_view', T + 2);
    expect(join(old, erased)).toBe(erased);
    expect(join(erased, old)).toBe(erased);
  });
});

describe('record', () => {
  test('over several tabs comes to the study time that the set of events has', () => {
    fc.assert(
      fc.property(onTabs, ({ events, history }) => {
        expect(toldSessions(history)).toEqual(sessionsOf(events));
      }),
      { numRuns: 500 },
    );
  });

  test('over several tabs counts every event once', () => {
    fc.assert(
      fc.property(onTabs, ({ events, history }) => {
        expect(toldCounts(history)).toEqual(countsOf(events));
      }),
      { numRuns: 500 },
    );
  });

  test('keeps runs sorted and further apart than the gap', () => {
    fc.assert(
      fc.property(onTabs, ({ history }) => {
        for (const runs of Object.values(history.sessions)) {
          for (const [index, [first]] of runs.entries()) {
            expect(first - (runs[index - 1]?.[1] ?? -Infinity)).toBeGreaterThan(GAP_MS);
          }
        }
      }),
    );
  });

  test('gives a new object and shares what did not change', () => {
    const before = played([
      { session: 'a', action: 'page_view', at: T },
      { session: 'b', action: 'page_view', at: T + DAY_MS },
    ]);
    const after = record(before, 'tab', 'b', 'page_view', T + DAY_MS);
    expect(after).not.toBe(before);
    expect(after.sessions).toBe(before.sessions);
    expect(after.counts[Math.floor(T / SLOT_MS)]).toBe(before.counts[Math.floor(T / SLOT_MS)]);
  });

  test("knows one moment more than the learner's own, the first of all, however often a page fails", () => {
    const polls = Array.from({ length: 480 }, (_, minute) => ({
      session: 'a',
      action: 'api_error' as const,
      at: T + minute * 60_000,
    }));
    const own = { session: 'a', action: 'page_view' as const, at: T + 90_000 };
    const [first, ...rest] = played([...polls, own]).sessions.a ?? [];
    expect([first?.[0], rest]).toEqual([T, [[own.at, own.at]]]);
    expect(played([...polls, { ...own, at: T - 1 }]).sessions.a).toEqual([[T - 1, T - 1]]);
  });

  test('takes every action of the categories error and performance, and no other, for no study', () => {
    const schema = readFileSync(new URL('../../../schemas/events.schema.json', import.meta.url), 'utf8');
    const { $defs } = JSON.parse(schema) as {
      $defs: Record<string, { properties: { category?: { enum: string[] }; action?: { enum: Action[] } } }>;
    };
    const found: Record<string, boolean> = {};
    const expected: typeof found = {};
    for (const { category, action } of Object.values($defs).map(({ properties }) => properties)) {
      for (const name of action?.enum ?? []) {
        expected[name] = !['error', 'performance'].includes(category?.enum[0] ?? '');
        const history = played([0, 1].map((ms) => ({ session: 'a', action: name, at: T + ms })));
        found[name] = toldSessions(history).a?.[1] === 1;
      }
    }
    expect(Object.keys(found)).toHaveLength(20);
    expect(found).toEqual(expected);
  });

  test('stays within the epoch', () => {
    expect(record(emptyHistory(7), 'tab', 'a', 'page_view', T).epoch).toBe(7);
  });
});

describe('prune', () => {
  const history = played([
    { session: 'old', action: 'page_view', at: T },
    { session: 'long', action: 'page_view', at: T },
    { session: 'long', action: 'page_view', at: T + DAY_MS },
  ]);

  test('is the same object while nothing is older than nine days', () => {
    expect(prune(history, T + 9 * DAY_MS)).toBe(history);
  });

  test('drops a session that ended more than nine days ago and keeps all of one that did not', () => {
    expect(Object.keys(prune(history, T + 9 * DAY_MS + 1).sessions)).toEqual(['long']);
    expect(prune(history, T + 10 * DAY_MS).sessions.long).toEqual(history.sessions.long);
    expect(prune(history, T + 10 * DAY_MS + 1).sessions).toEqual({});
  });

  test('drops a slot once all of it is older than nine days', () => {
    expect(Object.keys(prune(history, T + 9 * DAY_MS + SLOT_MS - 1).counts)).toHaveLength(2);
    expect(Object.keys(prune(history, T + 9 * DAY_MS + SLOT_MS).counts)).toHaveLength(1);
  });

  test('drops again what a tab that had not pruned brings back', () => {
    const moment = fc.integer({ min: T + 9 * DAY_MS, max: T + 9 * DAY_MS + 3_600_000 });
    fc.assert(
      fc.property(onTabs, moment, ({ history }, now) => {
        const pruned = prune(history, now);
        expect(prune(join(pruned, history), now)).toEqual(pruned);
      }),
    );
  });
});

describe('readHistory', () => {
  test('gives back what was written', () => {
    fc.assert(
      fc.property(onTabs, ({ history }) => {
        expect(readHistory(JSON.parse(JSON.stringify(history)))).toEqual(history);
      }),
    );
  });

  test.each([
    undefined,
    null,
    3,
    'text',
    [],
    {},
    { epoch: 0, sessions: null, counts: {} },
    { epoch: 0, sessions: [], counts: [] },
    { epoch: null, sessions: {}, counts: {} },
    { epoch: 0, sessions: { a: [[1]] }, counts: {} },
    { epoch: 0, sessions: { a: [{ 0: 1, 1: 2 }] }, counts: {} },
    { epoch: 0, sessions: { a: { 0: [1, 2] } }, counts: {} },
    { epoch: 0, sessions: { a: [[1, '2']] }, counts: {} },
    { epoch: 0, sessions: {}, counts: { 1: { tab: 3 } } },
    { epoch: 0, sessions: {}, counts: { 1: { tab: { page_view: '1' } } } },
  ])('takes %j for an empty history', (value) => {
    expect(readHistory(value)).toEqual(emptyHistory());
  });

  test('makes a history of anything that join and prune can take', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record({ epoch: fc.nat(3), sessions: fc.jsonValue(), counts: fc.jsonValue() }),
    );
    fc.assert(
      fc.property(value, onTabs, (stored, { history }) => {
        const read = readHistory(JSON.parse(JSON.stringify(stored)));
        expect(() => prune(join(join(history, read), join(read, history)), T)).not.toThrow();
      }),
    );
  });

  test('gives sessions named like what every object has to join as any other', () => {
    const read = readHistory({ epoch: 0, sessions: { constructor: [[T, T + 1]] }, counts: {} });
    expect(join(emptyHistory(), read)).toEqual(read);
  });

  test('leaves out what a later version may have added', () => {
    const value = { ...emptyHistory(3), more: 'text' };
    expect(readHistory(value)).toEqual(emptyHistory(3));
  });
});
