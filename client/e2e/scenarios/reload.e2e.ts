import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

scenario('a reload loses nothing of what was not sent yet', async ({ visitor, relay }) => {
  const page = await visitor.open();
  await visitor.track(page, 20);
  await page.reload();
  await page.waitForFunction(() => window.telemetry !== undefined);
  await visitor.track(page, 5);
  await visitor.flush(page);
  await visitor.stored();
  expect(relay.sentTwice).toEqual([]);
});
