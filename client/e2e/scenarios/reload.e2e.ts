import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

scenario('a reload loses nothing of what was not sent yet', async ({ visitor, relay }) => {
  const page = await visitor.open();
  await visitor.track(page, 20);
  await visitor.reload(page);
  await visitor.track(page, 5);
  await visitor.flush(page);
  const rows = await visitor.stored();
  expect(new Set(rows.map((row) => row.session_id)).size).toBe(1);
  expect(relay.sentTwice).toEqual([]);
});

scenario(
  'a reload while a batch is on its way to the gateway loses nothing of it',
  async ({ visitor, relay }) => {
    const page = await visitor.open();
    let go = () => {};
    const reloaded = new Promise<void>((resolve) => {
      go = resolve;
    });
    relay.fault = (asked) => (asked === relay.batches[0] ? { kind: 'held', until: reloaded } : undefined);
    const first = await visitor.track(page, 10);
    await page.evaluate(() => void window.telemetry.flush());
    await relay.until('the first batch has arrived', () => relay.batches.length === 1);
    await visitor.reload(page);
    go();
    await visitor.track(page, 10);
    await visitor.flush(page);
    await visitor.stored();
    expect(relay.batches[0]?.labels).toEqual(first);
  },
);

scenario(
  'a reload after a batch whose answer was lost sends it again, and it counts once',
  async ({ visitor, relay }) => {
    const page = await visitor.open();
    relay.fault = (asked) => (asked === relay.batches[0] ? { kind: 'lost answer' } : undefined);
    const first = await visitor.track(page, 10);
    await visitor.flush(page);
    expect(relay.batches[0]?.status).toBe(202);
    await visitor.reload(page);
    await visitor.stored();
    expect(relay.batches[1]?.labels).toEqual(first);
  },
);
