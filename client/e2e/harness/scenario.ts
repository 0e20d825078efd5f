import { expect, inject, test } from 'vitest';
import { Chromium, launch } from './chromium.js';
import { ClickHouse } from './clickhouse.js';
import { KeptChromium } from './kept-chromium.js';
import { Relay } from './relay.js';
import { Visitor } from './visitor.js';

/** A test with a relay, a person and their browser. It fails if a page complained of anything. */
export const scenario = test
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads what a fixture needs from its parameter
  .extend('browser', { scope: 'worker' }, async ({}, { onCleanup }) => {
    // A worker whose vitest was killed would go on waiting for its scenario, and its browser with it.
    process.once('disconnect', () => process.exit(1));
    const browser = await launch();
    onCleanup(() => browser.close());
    return browser;
  })
  .extend('clickhouse', () => new ClickHouse(inject('clickhouse')))
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads what a fixture needs from its parameter
  .extend('relay', async ({}, { onCleanup }) => {
    const relay = await Relay.start(inject('gateway'), inject('appDir'));
    onCleanup(() => relay.stop());
    return relay;
  })
  .extend('chromium', async ({ browser, relay: _ }, { onCleanup }): Promise<Chromium> => {
    const context = await browser.newContext();
    const chromium = new Chromium(context);
    onCleanup(async () => {
      await context.close();
      expect(chromium.complaints).toEqual([]);
    });
    return chromium;
  })
  .extend('visitor', ({ chromium, relay, clickhouse }) => new Visitor(chromium, relay, clickhouse));

/** A scenario of the app that the gateway's own address serves. */
export const studyScenario = scenario.extend(
  'relay',
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads what a fixture needs from its parameter
  async ({}, { onCleanup }) => {
    const relay = await Relay.start(inject('gateway'));
    onCleanup(() => relay.stop());
    return relay;
  },
);

/** A scenario with a whole browser of its own, which can be killed and started again. */
export const keptScenario = scenario
  .extend('kept', async ({ relay: _ }, { onCleanup }) => {
    const kept = await KeptChromium.start(inject('directory'));
    onCleanup(async () => {
      await kept.remove();
      expect(kept.complaints).toEqual([]);
    });
    return kept;
  })
  .extend('chromium', ({ kept }): Chromium => kept);
