import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStatistics } from '../src/parse-statistics.js';
import { emptyWeek, week } from './stage.js';

test('statistics are taken as they are, with what they say beyond this page’s needs', () => {
  const answer = { ...week(), scope: 'me', maestros: [{ maestro: 'archimede', count: 3 }], previous: null };
  expect(parseStatistics(answer)).toBe(answer);
  expect(parseStatistics(emptyWeek())).not.toBeNull();
});

test('whatever else arrives is not statistics, and nothing throws', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(parseStatistics(value)).toBeNull();
    }),
  );
});

/** Every place in a value, as the way to it. */
function places(value: unknown, way: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [way];
  const inner = Object.entries(value).flatMap(([name, part]) => places(part, [...way, name]));
  return way.length === 0 ? inner : [way, ...inner];
}

function replaced(value: unknown, [name, ...rest]: string[], by: unknown): unknown {
  if (name === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  copy[name] = replaced(copy[name], rest, by);
  return copy;
}

/** What the page does not read, so that it may be missing. */
const UNREAD = /^(range\.(from|to|days)|score\.days|days\.\d+\.(flashcards|quizzes|mindMaps))$/;

test('nothing the page reads may be missing', () => {
  const read = places(week()).filter((way) => !UNREAD.test(way.join('.')));
  expect(read.length).toBeGreaterThan(50);
  for (const way of read) {
    expect([way.join('.'), parseStatistics(replaced(week(), way, null))]).toEqual([way.join('.'), null]);
  }
});
