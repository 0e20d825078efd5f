import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

scenario(
  'what happened offline is sent in batches as soon as the page is online',
  async ({ visitor, chromium, relay }) => {
    const page = await visitor.open({ batchSize: 50 });
    await chromium.context.setOffline(true);
    for (let round = 0; round < 10; round += 1) await visitor.track(page, 30);
    await visitor.flush(page);
    expect(relay.batches).toEqual([]);

    await chromium.context.setOffline(false);
    await visitor.stored();
    // The start of the session is one event more.
    expect(relay.batches.map((batch) => batch.events.length)).toEqual([50, 50, 50, 50, 50, 50, 1]);
    expect(relay.sentTwice).toEqual([]);
  },
);
