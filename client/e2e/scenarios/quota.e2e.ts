import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

/** Leaves not a character of room in the page's storage. */
const fill = (page: Page) =>
  page.evaluate(() => {
    for (let size = 1 << 22; size >= 1; ) {
      try {
        localStorage.setItem(`filler${localStorage.length}`, 'x'.repeat(size));
      } catch {
        size >>= 1;
      }
    }
  });

scenario('a full storage costs the oldest events and nothing else', async ({ visitor, relay }) => {
  const page = await visitor.open();
  const old = await visitor.track(page, 20);
  await fill(page);
  await visitor.track(page, 10);
  const dropped = await page.evaluate(() => window.telemetry.getState().dropped);
  expect(dropped).toBeGreaterThanOrEqual(10);
  // The app goes on: its own code runs, and so does ours.
  await page.evaluate(() => {
    for (const key of Object.keys(localStorage)) if (key.startsWith('filler')) localStorage.removeItem(key);
  });
  await visitor.track(page, 5);
  expect(await page.evaluate(() => window.telemetry.getState().dropped)).toBe(dropped);
  await visitor.flush(page);
  // The oldest of all was the start of the session.
  await visitor.stored({ except: old.slice(0, dropped - 1) });
  expect(relay.sentTwice).toEqual([]);
});

scenario('a storage without any room keeps events in memory and sends them', async ({ visitor }) => {
  const page = await visitor.open();
  await fill(page);
  await visitor.track(page, 10);
  expect(await page.evaluate(() => window.telemetry.getState().dropped)).toBe(0);
  await visitor.flush(page);
  await visitor.stored();
});
