import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

scenario.override({ settings: { without: ['--disable-back-forward-cache'] } });

scenario(
  'a page that comes back out of the back/forward cache goes on',
  async ({ visitor, relay, chromium }) => {
    await chromium.context.addInitScript(() => {
      addEventListener('pageshow', (event) => {
        document.documentElement.dataset.restored = `${event.persisted}`;
      });
    });
    const page = await visitor.open();
    await visitor.track(page, 5);
    await visitor.flush(page);
    await visitor.track(page, 5);
    await page.click('text=Elsewhere');
    await page.waitForURL(/elsewhere/);
    await page.goBack();
    await page.waitForFunction(() => window.telemetry !== undefined);
    expect(await page.evaluate(() => document.documentElement.dataset.restored)).toBe('true');
    await visitor.track(page, 5);
    await visitor.flush(page);
    await visitor.stored();
    expect(relay.sentTwice).toEqual([]);
  },
);
