import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { localStatistics } from '../src/statistics.js';
import type { Action, ComponentName, Day, Feature, Statistics, Totals } from '../src/types.js';
import { interleavings, played, playedOnTabs } from './tabs.js';

interface Case {
  name: string;
  timeZone: string;
  now: string;
  events: { sessionId: string; timestamp: string; action: Action }[];
  expected: {
    from: string;
    to: string;
    totals: Totals;
    days: Record<string, Partial<Day>>;
    features: Record<Feature, number>;
    score: number;
    components: Record<ComponentName, { value: number; points: number }>;
  };
}

const file = new URL('../../../tests/cases/statistics.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };

const zone = process.env.TZ;
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

function told(statistics: Statistics): Case['expected'] {
  const { range, totals, days, features, score } = statistics;
  const busy = days.flatMap(({ date, ...numbers }) => {
    const counted = Object.entries(numbers).filter(([, number]) => number !== 0);
    return counted.length ? [[date, Object.fromEntries(counted)]] : [];
  });
  return {
    from: range.from,
    to: range.to,
    totals,
    days: Object.fromEntries(busy),
    features: Object.fromEntries(features.map(({ feature, count }) => [feature, count])) as Record<
      Feature,
      number
    >,
    score: score.score,
    components: Object.fromEntries(
      score.components.map(({ name, value, points }) => [name, { value, points }]),
    ) as Case['expected']['components'],
  };
}

describe.each(cases)('$name', ({ timeZone, now, events, expected }) => {
  const happened = events.map(({ sessionId, timestamp, action }) => ({
    session: sessionId,
    action,
    at: Date.parse(timestamp),
  }));
  const moment = new Date(now);

  beforeEach(() => {
    // Takes effect at once, but only in a process of its own (vitest's forks), not in a worker thread.
    process.env.TZ = timeZone;
  });

  test('is what the client says, with every day of the week in its place', () => {
    const statistics = localStatistics(played(happened), moment);
    expect(told(statistics)).toEqual(expected);
    expect(statistics.days).toHaveLength(7);
    expect([statistics.days[0]?.date, statistics.days.at(-1)?.date]).toEqual([expected.from, expected.to]);
    expect(statistics.features.map(({ feature }) => feature)).toEqual(['flashcards', 'quizzes', 'mind_maps']);
  });

  test('is the same over several tabs, in any order, whoever met whom', () => {
    fc.assert(
      fc.property(interleavings(happened.length), fc.boolean(), (steps, pruning) => {
        const history = playedOnTabs(happened, steps, pruning ? moment.getTime() : undefined);
        expect(told(localStatistics(history, moment))).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });
});
