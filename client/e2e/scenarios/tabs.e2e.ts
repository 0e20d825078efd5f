import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';
import { until } from '../harness/until.js';
import type { Visitor } from '../harness/visitor.js';

/** Tracks in several rounds, and sends after each. */
async function study(visitor: Visitor, page: Page, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await visitor.track(page, 10);
    await visitor.flush(page);
  }
}

const sessions = (tabs: Page[]) =>
  Promise.all(tabs.map((tab) => tab.evaluate(() => window.telemetry.getState().session?.id)));

scenario('two tabs share a session and send no event twice', async ({ visitor, relay }) => {
  const first = await visitor.open();
  await visitor.track(first, 1);
  const tabs = [first, await visitor.open()];
  await Promise.all(tabs.map((tab) => study(visitor, tab, 8)));
  const rows = await visitor.stored();
  expect(new Set(rows.map((row) => row.session_id)).size).toBe(1);
  expect(relay.sentTwice).toEqual([]);
});

scenario(
  'of five tabs one is closed and one crashes, and nothing is missing',
  async ({ visitor, chromium, relay }) => {
    const tabs = await Promise.all(Array.from({ length: 5 }, () => visitor.open()));
    const [closed, crashed, ...others] = tabs as [Page, Page, ...Page[]];
    await study(visitor, closed, 1);
    await Promise.all(tabs.map((tab) => study(visitor, tab, 1)));
    await Promise.all([
      visitor.track(closed, 30).then(() => closed.close()),
      visitor.track(crashed, 30).then(() => chromium.crash(crashed)),
      ...others.map((tab) => study(visitor, tab, 5)),
    ]);
    await Promise.all(others.map((tab) => visitor.flush(tab)));
    const rows = await visitor.stored();
    expect(new Set(rows.map((row) => row.session_id)).size).toBe(1);
    expect(relay.sentTwice).toEqual([]);
  },
);

scenario('tabs that begin at the same moment agree on one session', async ({ visitor }) => {
  const tabs = await Promise.all(Array.from({ length: 5 }, () => visitor.open()));
  await Promise.all(tabs.map((tab) => visitor.track(tab, 1)));
  for (const tab of tabs) await visitor.track(tab, 1);
  await until(
    'all tabs are in one session',
    () => sessions(tabs),
    (ids) => new Set(ids).size === 1,
  );
  const labels = (await Promise.all(tabs.map((tab) => visitor.track(tab, 5)))).flat();
  await Promise.all(tabs.map((tab) => visitor.flush(tab)));
  const rows = await visitor.stored();
  const later = rows.filter((row) => labels.includes(row.label));
  expect(new Set(later.map((row) => row.session_id)).size).toBe(1);
});
