import { expect, inject, test } from 'vitest';
import { Chromium, type Settings } from './chromium.js';
import { ClickHouse } from './clickhouse.js';
import { Relay } from './relay.js';
import { Visitor } from './visitor.js';

interface Scenario {
  /** How the browser is started; a scenario may override it with `scenario.override`. */
  settings: Settings;
  relay: Relay;
  chromium: Chromium;
  clickhouse: ClickHouse;
  visitor: Visitor;
}

/** A test with a browser, a relay and a person of its own. It fails if a page complained of anything. */
export const scenario = test.extend<Scenario>({
  settings: {},
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads what a fixture needs from its parameter
  relay: async ({}, use) => {
    const relay = await Relay.start(inject('gateway'), inject('appDir'));
    await use(relay);
    await relay.stop();
  },
  chromium: async ({ settings, relay: _ }, use) => {
    const chromium = await Chromium.start(inject('directory'), settings);
    try {
      await use(chromium);
    } finally {
      await chromium.remove();
    }
    expect(chromium.complaints).toEqual([]);
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads what a fixture needs from its parameter
  clickhouse: async ({}, use) => {
    await use(new ClickHouse(inject('clickhouse')));
  },
  visitor: async ({ chromium, relay, clickhouse }, use) => {
    await use(new Visitor(chromium, relay, clickhouse));
  },
});
