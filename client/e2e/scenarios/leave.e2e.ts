import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

/** What browsers allow a page to have in flight when it goes. */
const KEEPALIVE_BYTES = 64 * 1024;

scenario('a tab that is closed sends what it has', async ({ visitor, relay }) => {
  const page = await visitor.open();
  await visitor.track(page, 30);
  await page.close();
  await visitor.stored();
  expect(relay.sentTwice).toEqual([]);
});

scenario(
  'a full queue is sent within the budget of a closing tab, the rest at the next visit',
  async ({ visitor, relay }) => {
    const page = await visitor.open();
    await visitor.track(page, 1);
    await visitor.flush(page);
    await visitor.track(page, 450);
    await page.close();
    await relay.until('the closing tab has sent', () => relay.batches.some((batch) => batch.leaving));
    const next = await visitor.open();
    await visitor.flush(next);
    await visitor.stored();

    const leaving = relay.batches.filter((batch) => batch.leaving);
    const bytes = leaving.reduce((sum, batch) => sum + batch.body.length, 0);
    const events = leaving.reduce((sum, batch) => sum + batch.events.length, 0);
    console.log(`a closing tab sent ${events} of 450 events in ${bytes} bytes`);
    expect(bytes).toBeLessThanOrEqual(KEEPALIVE_BYTES);
    expect(events).toBeGreaterThan(200);
    expect(events).toBeLessThan(450);
  },
);
