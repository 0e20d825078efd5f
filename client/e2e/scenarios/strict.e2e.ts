import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';
import { until } from '../harness/until.js';

scenario('a page of React in StrictMode sends everything once', async ({ visitor, relay, clickhouse }) => {
  const page = await visitor.open({ webVitals: true, captureErrors: true }, 'strict.html');
  await visitor.track(page, 10);
  expect(await page.textContent('output')).toBe(`${10 + 1}`);
  await visitor.flush(page);
  await page.waitForFunction(() => document.querySelector('output')?.textContent === '0');
  // The largest paint is final with the first click after the code that waits for it was loaded.
  await until(
    'the largest paint is tracked',
    async () => {
      await page.click('output');
      return page.evaluate(() => window.telemetry.getState().pending);
    },
    (pending) => pending > 0,
  );
  await visitor.flush(page);
  const [own] = await visitor.stored();
  const rows = await clickhouse.ofSession(own?.session_id ?? '');
  expect(rows.filter((row) => row.action === 'session_start')).toHaveLength(1);
  expect(
    relay.batches.flatMap((batch) => batch.events).filter((event) => event.action === 'page_load'),
  ).toHaveLength(1);
  expect(relay.sentTwice).toEqual([]);
});
