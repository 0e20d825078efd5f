import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

scenario(
  'a page that comes back out of the back/forward cache goes on',
  async ({ visitor, relay, chromium }) => {
    await chromium.context.addInitScript(() => {
      addEventListener('pageshow', (event) => {
        document.documentElement.dataset.cached = `${event.persisted}`;
      });
    });
    const page = await visitor.open();
    await visitor.track(page, 5);
    await visitor.flush(page);
    await visitor.track(page, 5);
    await page.click('text=Elsewhere');
    await page.waitForURL(/elsewhere/);
    // Not `goBack`: it waits for a load, and nothing is loaded.
    await page.evaluate(() => history.back());
    await page.waitForFunction(() => document.documentElement.dataset.cached === 'true');
    await visitor.track(page, 5);
    await visitor.flush(page);
    const rows = await visitor.stored();
    expect(new Set(rows.map((row) => row.session_id)).size).toBe(1);
    expect(relay.sentTwice).toEqual([]);
  },
);
