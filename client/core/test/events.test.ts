import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { FILE, render } from '../scripts/events.mjs';

test('the event types are what the JSON Schema says; if not: npm run events --workspace core', async () => {
  expect(await readFile(FILE, 'utf8')).toBe(await render());
});
