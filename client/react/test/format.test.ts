import { expect, test } from 'vitest';
import { formatOf } from '../src/format.js';

test.each([
  [0, '0', '0'],
  [1, '<\u00a00.1', '<\u00a00,1'],
  [3, '0.1', '0,1'],
  [29, '0.5', '0,5'],
  [600, '10', '10'],
  [5_970, '99.5', '99,5'],
  [6_040, '101', '101'],
  [123_456, '2.06K', null],
])('%d minutes are short as hours', (minutes, english, italian) => {
  expect(formatOf('en').hours(minutes)).toBe(english);
  if (italian !== null) expect(formatOf('it').hours(minutes)).toBe(italian);
});
