import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { emptyHistory, GAP_MS } from '../src/history.js';
import { hundredths } from '../src/score.js';
import { localStatistics } from '../src/statistics.js';
import type { Action, Day } from '../src/types.js';
import { type Happened, interleavings, NOT_STUDY, played, playedOnTabs } from './tabs.js';

const zone = process.env.TZ;
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const ACTIONS: Action[] = [
  'page_view',
  'message_sent',
  'flashcard_review',
  'quiz_complete',
  'mind_map_view',
  'route_change',
  'client_error',
  'interaction_time',
];

/** Weeks in which clocks change, in every way they do. */
const WEEKS: [timeZone: string, around: string][] = [
  ['UTC', '2026-05-10T12:00:00Z'],
  ['Europe/Rome', '2026-03-29T12:00:00Z'],
  ['Europe/Rome', '2026-10-25T12:00:00Z'],
  ['America/New_York', '2026-11-01T12:00:00Z'],
  ['America/Santiago', '2026-09-06T12:00:00Z'],
  ['America/Havana', '2026-11-01T12:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T12:00:00Z'],
  ['America/Sao_Paulo', '2018-02-18T12:00:00Z'],
  ['Asia/Kathmandu', '2026-05-10T12:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-05T12:00:00Z'],
  ['Pacific/Apia', '2011-12-30T12:00:00Z'],
];

const pad = (number: number) => `${number}`.padStart(2, '0');
const localDate = (at: Date) => `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;

/** By brute force: the date that the browser's calendar gives each event, and the gaps between those of a session. */
function dayByDay(
  events: readonly Happened[],
): Record<string, Omit<Day, 'date' | 'studyMinutes'> & { studyMs: number }> {
  const days: ReturnType<typeof dayByDay> = {};
  const on = (at: number) => {
    const date = localDate(new Date(at));
    days[date] ??= {
      sessions: 0,
      studyMs: 0,
      questions: 0,
      pageViews: 0,
      flashcards: 0,
      quizzes: 0,
      mindMaps: 0,
    };
    return days[date];
  };
  const columns = {
    page_view: 'pageViews',
    message_sent: 'questions',
    flashcard_review: 'flashcards',
    quiz_complete: 'quizzes',
    mind_map_view: 'mindMaps',
  } as const;
  for (const { action, at } of events) {
    const day = on(at);
    if (action in columns) day[columns[action as keyof typeof columns]] += 1;
  }
  for (const session of new Set(events.map((event) => event.session))) {
    const own = events.filter((event) => event.session === session);
    const times = own.filter((event) => !NOT_STUDY.includes(event.action)).map((event) => event.at);
    times.sort((x, y) => x - y);
    const day = on(Math.min(...own.map((event) => event.at)));
    day.sessions += 1;
    for (const [index, at] of times.slice(1).entries()) {
      const gap = at - (times[index] as number);
      if (gap <= GAP_MS) day.studyMs += gap;
    }
  }
  return days;
}

const weeks = fc
  .tuple(fc.constantFrom(...WEEKS), fc.integer({ min: -36, max: 7 * 24 }))
  .chain(([[timeZone, around], hours]) => {
    const now = Date.parse(around) + hours * 3_600_000;
    // Clocks change, and days begin, on a quarter of an hour: events come in clusters around a few of those.
    const quarters = fc.array(fc.integer({ min: 1, max: 11 * 96 }), { minLength: 1, maxLength: 6 });
    const event = fc.record({
      quarter: fc.nat(5),
      ms: fc.oneof(fc.constantFrom(-1, 0, 1), fc.integer({ min: -600_000, max: 600_000 })),
      name: fc.constantFrom('a', 'b'),
      action: fc.constantFrom(...ACTIONS),
    });
    return fc.tuple(quarters, fc.array(event, { maxLength: 60 })).chain(([starts, drawn]) => {
      const events = drawn.map(({ quarter, ms, name, action }): Happened => {
        const at = Math.min(now, now - (starts[quarter % starts.length] as number) * 900_000 + ms);
        // No session is longer than a day: one that goes on has another name then.
        return { session: `${name}-${Math.floor(at / (20 * 3_600_000))}`, action, at };
      });
      return interleavings(events.length).map((steps) => ({ timeZone, now, events, steps }));
    });
  });

describe('the statistics of this browser', () => {
  test('are those that the calendar gives, in weeks in which clocks change, over several tabs', () => {
    fc.assert(
      fc.property(weeks, ({ timeZone, now, events, steps }) => {
        process.env.TZ = timeZone;
        const statistics = localStatistics(playedOnTabs(events, steps, now), new Date(now));
        const expected = dayByDay(events);
        expect(statistics.days.at(-1)?.date).toBe(localDate(new Date(now)));
        for (const { date, studyMinutes, ...counted } of statistics.days) {
          const { studyMs, ...day } = expected[date] ?? { studyMs: 0, ...NOTHING };
          expect(counted, date).toEqual(day);
          expect(studyMinutes, date).toBe(hundredths(studyMs / 60_000));
        }
        const active = statistics.days.filter(({ date }) =>
          events.some(({ at }) => localDate(new Date(at)) === date),
        );
        expect(statistics.score.components[0]?.value).toBe(active.length);
      }),
      { numRuns: 500 },
    );
  });

  test('say what they are of, and when they were made', () => {
    process.env.TZ = 'Europe/Rome';
    const { range, generatedAt } = localStatistics(emptyHistory(), new Date('2026-05-10T22:30:00Z'));
    expect(range).toEqual({ from: '2026-05-05', to: '2026-05-11', days: 7, timeZone: 'Europe/Rome' });
    expect(generatedAt).toBe('2026-05-10T22:30:00.000Z');
  });

  test('take the targets of the score that they are given', () => {
    process.env.TZ = 'UTC';
    const at = Date.UTC(2026, 4, 10);
    const history = played([{ session: 'a', action: 'page_view', at }]);
    const targets = { active_days: 1, study_minutes: 1, learning_actions: 1, distinct_features: 1 };
    expect(localStatistics(history, new Date(at), targets).score.score).toBe(25);
  });
});

const NOTHING = { sessions: 0, questions: 0, pageViews: 0, flashcards: 0, quizzes: 0, mindMaps: 0 };
