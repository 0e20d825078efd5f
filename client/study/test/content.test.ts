import { expect, test } from 'vitest';
import * as en from '../src/content/en.js';
import * as it from '../src/content/it.js';

test('cards are the same ones in both languages, as events name them by id', () => {
  const ids = en.content.cards.map((card) => card.id);
  expect(it.content.cards.map((card) => card.id)).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test('every question has its right answer at the same place in both languages', () => {
  const shape = (content: typeof en.content) =>
    content.questions.map(({ options, right }) => ({ options: options.length, right }));
  expect(shape(it.content)).toEqual(shape(en.content));
  for (const { options, right } of en.content.questions) expect(options[right]).toBeTypeOf('string');
});
