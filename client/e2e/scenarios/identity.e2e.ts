import { describe, expect } from 'vitest';
import type { Fault } from '../harness/relay.js';
import { scenario } from '../harness/scenario.js';

describe('a first contact that fails makes no second person', () => {
  for (const kind of ['lost answer', 'lost request'] satisfies Fault['kind'][]) {
    scenario(`with a ${kind}`, async ({ visitor, relay }) => {
      relay.fault = (asked) =>
        asked === relay.asked[0] || asked === relay.batches[0] ? { kind } : undefined;
      const page = await visitor.open({ flushIntervalMs: 500 });
      await visitor.track(page, 10);
      await visitor.flush(page);
      await visitor.stored();
      expect(relay.asked.filter((asked) => asked.fault === kind)).toHaveLength(2);
    });
  }
});

scenario('five tabs of a new person are one person', async ({ visitor, relay }) => {
  const tabs = await Promise.all(Array.from({ length: 5 }, () => visitor.open()));
  await Promise.all(tabs.map((tab) => visitor.track(tab, 5)));
  await Promise.all(tabs.map((tab) => visitor.flush(tab)));
  await visitor.stored();
  expect(relay.sentTwice).toEqual([]);
});
