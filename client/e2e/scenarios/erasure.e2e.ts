import { randomUUID } from 'node:crypto';
import { expect, inject } from 'vitest';
import { scenario } from '../harness/scenario.js';
import { until } from '../harness/until.js';

/** An event of that user, sent past the browser, as a server would. */
async function sendAs(userId: string, label: string): Promise<void> {
  const now = new Date().toISOString();
  const ids = { eventId: randomUUID(), sessionId: randomUUID(), timestamp: now };
  const event = { ...ids, category: 'navigation', action: 'page_view', label };
  const answer = await fetch(`${inject('gateway')}/api/telemetry/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId, sentAt: now, events: [event] }),
  });
  expect(answer.status).toBe(202);
}

scenario('who asks to be forgotten is forgotten, and begins anew', async ({ visitor, relay, clickhouse }) => {
  const page = await visitor.open();
  const other = await visitor.open();
  const before = await visitor.track(page, 10);
  await visitor.flush(page);
  const [known] = await visitor.stored();
  const waiting = await visitor.track(other, 5);
  await page.waitForFunction(() => window.statistics().totals.pageViews === 15);

  await page.evaluate(() => window.telemetry.deleteMyData());
  await until(
    'nothing of this person is stored',
    () => clickhouse.ofUser(known?.user_id ?? ''),
    (rows) => rows.length === 0,
  );
  for (const tab of [page, other]) {
    await tab.waitForFunction(() => window.statistics().totals.pageViews === 0);
    expect(await tab.evaluate(() => window.statistics().totals)).toMatchObject({
      sessions: 0,
      studyMinutes: 0,
    });
  }

  for (const tab of [page, other]) {
    await visitor.track(tab, 5);
    await visitor.flush(tab);
  }
  const rows = await visitor.stored({ except: [...before, ...waiting] });
  expect(rows[0]?.user_id).not.toBe(known?.user_id);
  expect(rows[0]?.session_id).not.toBe(known?.session_id);
  expect(relay.sentTwice).toEqual([]);
});

scenario(
  'a batch on its way does not bring back who asked to be forgotten',
  async ({ visitor, relay, clickhouse }) => {
    const page = await visitor.open();
    await visitor.track(page, 5);
    await visitor.flush(page);
    const [known] = await visitor.stored();
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    relay.fault = (asked) => (asked === relay.batches[1] ? { kind: 'held', until: arrived } : undefined);
    await visitor.track(page, 5);
    await page.evaluate(() => void window.telemetry.flush());
    await relay.until('a batch is on its way', () => relay.batches.length === 2);
    const deleted = page.evaluate(() => window.telemetry.deleteMyData());
    // The wish overtakes the batch, unless it waits for it.
    const wish = () => relay.asked.find((asked) => asked.method === 'DELETE')?.status;
    await relay.until('the wish is heard first', () => wish() === 202, 300).catch(() => undefined);
    arrive();
    await deleted;
    await relay.until('the batch is answered or gone', () => {
      const [, batch] = relay.batches;
      return batch?.status !== undefined || batch?.abandoned === true;
    });
    // One person, one partition, one order: when this is stored, all that was sent before it is, too.
    await sendAs(known?.user_id ?? '', `${visitor.prefix}last`);
    await clickhouse.untilStored(visitor.prefix, [`${visitor.prefix}last`]);
    expect((await clickhouse.ofUser(known?.user_id ?? '')).map((row) => row.label)).toEqual([
      `${visitor.prefix}last`,
    ]);
  },
);

scenario('a person the server does not know is forgotten here', async ({ visitor, relay, chromium }) => {
  const page = await visitor.open();
  await visitor.track(page, 3);
  await chromium.context.clearCookies({ name: 'convergio_uid' });
  await page.evaluate(() => window.telemetry.deleteMyData());
  expect(relay.asked.find((asked) => asked.method === 'DELETE')?.status).toBe(401);
  expect(await page.evaluate(() => window.statistics().totals.pageViews)).toBe(0);
  expect(await page.evaluate(() => window.telemetry.getState().pending)).toBe(0);
});

scenario(
  'a deletion that fails says so, and nothing is sent under the old name meanwhile',
  async ({ visitor, relay }) => {
    const page = await visitor.open();
    await visitor.track(page, 3);
    await visitor.flush(page);
    relay.fault = (asked) => (asked.method === 'DELETE' ? { kind: 'answer', status: 503 } : undefined);
    await expect(page.evaluate(() => window.telemetry.deleteMyData())).rejects.toThrow(/503/);
    await visitor.track(page, 3);
    await visitor.flush(page);
    await visitor.stored();
  },
);
