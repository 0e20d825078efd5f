import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import type { Chromium } from '../harness/chromium.js';
import type { Relay } from '../harness/relay.js';
import { scenario } from '../harness/scenario.js';

const isOff = (page: Page) => page.waitForFunction(() => !window.telemetry.getState().enabled);
const queued = (page: Page) =>
  page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('convergio:')));
/** Whether the gateway has answered to what somebody chose. */
const told = (relay: Relay) =>
  relay.asked.some((asked) => asked.path.endsWith('/consent') && asked.status === 204);
const optOutCookie = async (chromium: Chromium) =>
  (await chromium.context.cookies()).find((cookie) => cookie.name === 'convergio_optout')?.value;

scenario('an opt-out in one tab ends telemetry in all of them', async ({ visitor, relay, chromium }) => {
  const [first, second] = [await visitor.open(), await visitor.open()];
  await visitor.track(first, 5);
  await visitor.flush(first);
  const before = [...visitor.tracked];

  const never = new Promise(() => {});
  relay.fault = (asked) => (relay.batches.indexOf(asked) > 0 ? { kind: 'held', until: never } : undefined);
  await visitor.track(first, 10);
  await visitor.track(second, 10);
  await first.evaluate(() => void window.telemetry.flush());
  await relay.until('a batch is on its way', () => relay.batches.length === 2);
  await second.evaluate(() => window.telemetry.setEnabled(false));

  await isOff(first);
  await relay.until('the gateway knows', () => told(relay));
  for (const page of [first, second]) {
    await visitor.track(page, 5);
    await visitor.flush(page);
    expect(await queued(page)).toEqual([]);
    await visitor.reload(page);
    await visitor.track(page, 5);
    await visitor.flush(page);
  }
  expect(relay.batches).toHaveLength(2);
  expect(await optOutCookie(chromium)).toBe('1');
  await visitor.stored({ except: visitor.tracked.filter((label) => !before.includes(label)) });
});

scenario('an opt-out ends the request that is on its way', async ({ visitor, relay }) => {
  const page = await visitor.open();
  relay.fault = (asked) =>
    asked === relay.batches[0] ? { kind: 'held', until: new Promise(() => {}) } : undefined;
  await visitor.track(page, 10);
  await page.evaluate(() => void window.telemetry.flush());
  await relay.until('a batch is on its way', () => relay.batches.length === 1);
  await page.evaluate(() => window.telemetry.setEnabled(false));
  await relay.until('that batch is aborted', () => relay.batches[0]?.abandoned === true, 3000);
});

describe('an opt-out', () => {
  const forget: Record<string, (chromium: Chromium, page: Page) => Promise<unknown>> = {
    cookie: (chromium) => chromium.context.clearCookies({ name: 'convergio_optout' }),
    storage: (_, page) => page.evaluate(() => localStorage.clear()),
  };
  for (const [lost, lose] of Object.entries(forget)) {
    scenario(`outlives the loss of its ${lost}`, async ({ visitor, relay, chromium }) => {
      const page = await visitor.open();
      await page.evaluate(() => window.telemetry.setEnabled(false));
      await relay.until('the gateway knows', () => told(relay));
      await lose(chromium, page);
      await visitor.reload(page);
      expect(await page.evaluate(() => window.telemetry.getState().enabled)).toBe(false);
      await visitor.track(page, 5);
      await visitor.flush(page);
      expect(relay.batches).toEqual([]);
      // And what was lost is there again.
      expect(await optOutCookie(chromium)).toBe('1');
      expect(await page.evaluate(() => localStorage.getItem('convergio'))).toContain('"off":true');
    });
  }

  scenario('can be taken back', async ({ visitor, chromium, relay }) => {
    const page = await visitor.open();
    await page.evaluate(() => window.telemetry.setEnabled(false));
    const unheard = await visitor.track(page, 5);
    await page.waitForFunction(() => window.telemetry.getState().choice.told);
    await page.evaluate(() => window.telemetry.setEnabled(true));
    await visitor.track(page, 5);
    // Nothing goes before the gateway has taken its cookie back; if it has not, what waits goes by itself then.
    await visitor.flush(page);
    await page.waitForFunction(() => window.telemetry.getState().pending === 0);
    await visitor.reload(page);
    await visitor.track(page, 5);
    await visitor.flush(page);
    await visitor.stored({ except: unheard });
    expect(await optOutCookie(chromium)).toBeUndefined();
    expect(relay.sentTwice).toEqual([]);
  });

  // Were both on their way at once, the answer to the opt-out could come last and bring its cookie back.
  scenario('can be taken back before the gateway has answered', async ({ visitor, relay, chromium }) => {
    const choice = (optOut: boolean) =>
      relay.asked.find((asked) => asked.path.endsWith('/consent') && asked.body.includes(`${optOut}`));
    const optedIn = () => choice(false)?.status === 204;
    // A page that waits for the first answer before it asks again is not held up for long.
    relay.fault = (asked) =>
      asked === choice(true)
        ? { kind: 'held', until: relay.until('opted in', optedIn, 300).catch(() => undefined) }
        : undefined;
    const page = await visitor.open();
    await page.evaluate(() => window.telemetry.setEnabled(false));
    await relay.until('the opt-out is on its way', () => choice(true) !== undefined);
    await page.evaluate(() => window.telemetry.setEnabled(true));
    await relay.until('both are answered', () => choice(true)?.status === 204 && optedIn());
    await page.waitForFunction(() => window.telemetry.getState().choice.told);
    await visitor.track(page, 5);
    await visitor.flush(page);
    await page.waitForFunction(() => window.telemetry.getState().pending === 0);
    expect(await page.evaluate(() => window.telemetry.getState().enabled)).toBe(true);
    expect(await optOutCookie(chromium)).toBeUndefined();
    await visitor.stored();
  });
});

describe('a browser that says no for its user', () => {
  const signals = {
    'Global Privacy Control':
      "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })",
    'Do Not Track': "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' })",
  };
  for (const [signal, script] of Object.entries(signals)) {
    scenario(`by ${signal} is not asked anything`, async ({ visitor, relay, chromium }) => {
      await chromium.context.addInitScript(script);
      const page = await visitor.open({ webVitals: true, captureErrors: true });
      await visitor.track(page, 5);
      await visitor.flush(page);
      await visitor.visit(page);
      await page.close();
      expect(relay.asked).toEqual([]);
    });
  }

  for (const header of ['Sec-GPC', 'DNT']) {
    scenario(
      `by ${header} alone is heard by the gateway, and then by the page`,
      async ({ visitor, relay, chromium }) => {
        await chromium.context.setExtraHTTPHeaders({ [header]: '1' });
        const page = await visitor.open();
        await visitor.track(page, 5);
        await visitor.flush(page);
        await isOff(page);
        expect(await queued(page)).toEqual([]);
        const answered = relay.asked.length;
        await visitor.track(page, 5);
        await visitor.flush(page);
        expect(relay.asked).toHaveLength(answered);
        expect(relay.batches).toEqual([]);
      },
    );
  }
});
