import { describe, expect } from 'vitest';
import { kill, whilePaused } from '../harness/process.js';
import { scenario } from '../harness/scenario.js';

scenario('a gateway that says 503 is left alone as long as it asks', async ({ visitor, relay }) => {
  const page = await visitor.open();
  await visitor.track(page, 1);
  await visitor.flush(page);
  await whilePaused('kafka', async () => {
    await visitor.track(page, 20);
    await visitor.flush(page);
    expect(relay.batches.map((batch) => batch.status)).toEqual([202, 503]);
  });
  await relay.until('it is sent again', () => relay.batches[2]?.status === 202);
  await visitor.stored();
  const [, refused, again] = relay.batches;
  expect((again?.at ?? 0) - (refused?.answeredAt ?? 0)).toBeGreaterThanOrEqual(2000);
  expect(again?.labels).toEqual(refused?.labels);
});

scenario('a gateway that dies loses nothing', async ({ visitor, relay }) => {
  const page = await visitor.open();
  relay.fault = (asked) =>
    asked === relay.batches[0] ? { kind: 'held', until: kill('ingest-0') } : undefined;
  await visitor.track(page, 20);
  await visitor.flush(page);
  expect(relay.batches.map((batch) => batch.status)).toEqual([502]);
  await visitor.track(page, 20);
  await relay.until('it is sent again', () => relay.batches.some((batch) => batch.status === 202));
  await visitor.flush(page);
  await visitor.stored();
});

scenario(
  'every failure is followed by another try, whatever the dice say',
  async ({ relay, visitor, chromium }) => {
    // Each time the dice give a little less, so that one wait in two is no whole number of milliseconds.
    await chromium.context.addInitScript(() => {
      let thrown = 0;
      Math.random = () => 0.1003 + (thrown++ % 10) / 10_000;
    });
    const failures = 12;
    const page = await visitor.open();
    for (let failed = 0; failed < failures; failed += 1) {
      const before = relay.batches.length;
      relay.fault = () => (relay.batches.length === before + 1 ? { kind: 'answer', status: 502 } : undefined);
      await visitor.track(page, 1);
      await visitor.flush(page);
      await relay.until('another try', () => relay.batches[before + 1]?.status === 202);
      await page.waitForFunction(() => window.telemetry.getState().pending === 0);
    }
    await visitor.stored();
  },
);

describe('Retry-After', () => {
  const cases = {
    'in seconds': () => ({ header: '2', until: Date.now() + 2000 }),
    'as a date': () => {
      const date = new Date(Date.now() + 3000).toUTCString();
      return { header: date, until: Date.parse(date) };
    },
  };
  for (const [form, ask] of Object.entries(cases)) {
    // Full jitter: whatever the dice say lies between what was asked for and a second more.
    for (const random of [0, 0.999]) {
      scenario(
        `${form} is heeded, and ${random} of the jitter after it`,
        async ({ visitor, relay, chromium }) => {
          await chromium.context.addInitScript(`Math.random = () => ${random}`);
          let until = Number.POSITIVE_INFINITY;
          relay.fault = (asked) => {
            if (asked !== relay.batches[0]) return undefined;
            const told = ask();
            until = told.until;
            return { kind: 'answer', status: 503, headers: { 'Retry-After': told.header } };
          };
          const page = await visitor.open();
          await visitor.track(page, 10);
          await visitor.flush(page);
          await visitor.flush(page);
          await visitor.stored();
          expect(relay.batches).toHaveLength(2);
          expect(relay.batches[1]?.at).toBeGreaterThanOrEqual(until + random * 1000 - 1);
        },
      );
    }
  }
});

describe('a batch that is too large', () => {
  scenario('for what lies between is halved until it passes', async ({ visitor, relay }) => {
    const most = 1500;
    relay.fault = (asked) => (asked.body.length > most ? { kind: 'answer', status: 413 } : undefined);
    const page = await visitor.open();
    await visitor.track(page, 200);
    await visitor.flush(page);
    await visitor.stored();
    const sizes = relay.batches.filter((batch) => batch.status === 413).map((batch) => batch.events.length);
    expect(sizes).toEqual([201, 100, 50]);
    expect(relay.sentTwice).toEqual([]);
  });

  scenario('for the gateway is halved until it passes', async ({ visitor, relay }) => {
    const page = await visitor.open();
    const metadata = Object.fromEntries(
      Array.from({ length: 16 }, (_, at) => [`note${at}`, '☃'.repeat(256)]),
    );
    await visitor.track(page, 60, { metadata });
    await visitor.flush(page);
    await visitor.stored();
    const refused = relay.batches.filter((batch) => batch.status === 413);
    expect(refused).not.toEqual([]);
    expect(refused.every((batch) => batch.events.length > 1)).toBe(true);
  });
});
