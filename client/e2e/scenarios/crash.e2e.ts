import { expect } from 'vitest';
import { untilOnDisk } from '../harness/disk.js';
import { keptScenario, scenario } from '../harness/scenario.js';

scenario('a page that crashes loses nothing', async ({ visitor, chromium, relay }) => {
  const page = await visitor.open();
  await visitor.track(page, 50);
  await chromium.crash(page);
  await page.close();
  const next = await visitor.open();
  await visitor.flush(next);
  await visitor.stored();
  expect(relay.sentTwice).toEqual([]);
});

keptScenario('what was on disk survives the end of the whole browser', async ({ visitor, kept, relay }) => {
  const page = await visitor.open();
  const early = await visitor.track(page, 20);
  const tracked = performance.now();
  await untilOnDisk(kept.profile, early);
  const delay = (performance.now() - tracked) / 1000;
  const late = await visitor.track(page, 20);
  await kept.kill();

  await kept.restart();
  const next = await visitor.open();
  await visitor.flush(next);
  const sent = new Set(relay.batches.flatMap((batch) => batch.labels));
  const lost = late.filter((label) => !sent.has(label));
  await visitor.stored({ except: lost });
  expect(relay.sentTwice).toEqual([]);
  console.log(`Chromium wrote the first events to disk after ${delay.toFixed(1)} s;`);
  console.log(`of 20 tracked right before the kill it had lost ${lost.length}`);
});
