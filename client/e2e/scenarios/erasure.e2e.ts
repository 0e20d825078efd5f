import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';
import { until } from '../harness/until.js';

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

scenario('a person the server does not know is forgotten here', async ({ visitor }) => {
  const page = await visitor.open();
  await visitor.track(page, 3);
  await page.evaluate(() => window.telemetry.deleteMyData());
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
