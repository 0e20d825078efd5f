import { describe, expect, test, vi } from 'vitest';
import { START, simulated } from './simulation/world.js';

const world = simulated();

const sizes = () => world.batches.map(({ body }) => (JSON.parse(body) as { events: [] }).events.length);

describe('batches', () => {
  test('go every 30 seconds, and at once when there are fifty', async () => {
    const { telemetry } = world.browser.open();
    await world.pass(100);
    telemetry.track('navigation', 'page_view', { label: 'home' });
    await world.pass(29_000);
    expect(world.labels).toEqual([]);
    await world.pass(1000);
    expect(world.labels).toEqual(['home']);
    for (let n = 0; n < 50; n++) telemetry.track('education', 'flashcard_review');
    await world.pass(100);
    expect(sizes()).toEqual([2, 50]);
    expect(telemetry.getState()).toMatchObject({ pending: 0, accepted: 52, delivery: 'idle' });
  });

  test('come at another interval when told so while running', async () => {
    const { telemetry } = world.browser.open();
    await world.pass(100);
    telemetry.setFlushInterval(1000);
    telemetry.track('navigation', 'page_view', { label: 'home' });
    await world.pass(1100);
    expect(world.labels).toEqual(['home']);
    expect(telemetry.getState().flushIntervalMs).toBe(1000);
  });

  test('say when they were sent, by the clock of the page', async () => {
    const { telemetry } = world.browser.open();
    telemetry.track('navigation', 'page_view');
    await world.pass(30_100);
    const { sentAt, events } = JSON.parse(world.batches[0]?.body ?? '');
    expect(Date.parse(sentAt)).toBeGreaterThanOrEqual(START);
    expect(Date.parse(events[1].timestamp)).toBe(START);
  });

  test('show a write key where one is configured, and cookies always', async () => {
    const fetched = vi.fn();
    const tab = world.browser.open({ writeKey: 'k', endpoint: 'https://t.example/' });
    tab.onFetch = fetched;
    tab.telemetry.track('navigation', 'page_view');
    await world.pass(30_100);
    const [url, init] = fetched.mock.calls.find(([url]) => url.endsWith('/events')) ?? [];
    expect(url).toBe('https://t.example/api/telemetry/events');
    expect(init).toMatchObject({ credentials: 'include', headers: { 'X-Write-Key': 'k' } });
  });
});

describe('verdicts', () => {
  test('on single events are final: what was refused is dropped, counted and not sent again', async () => {
    world.gateway.refused.add('bad');
    const { telemetry } = world.browser.open();
    telemetry.track('tools', 'tool_created', { label: 'good' });
    telemetry.track('tools', 'tool_created', { label: 'bad' });
    await world.pass(90_000);
    expect(world.labels).toEqual(['good']);
    expect(world.batches).toHaveLength(1);
    expect(telemetry.getState()).toMatchObject({ pending: 0, accepted: 2, rejected: 1 });
    expect(world.browser.waiting).toEqual([]);
  });

  test('of "too large" halve the batch until it fits, and drop only what fits nowhere', async () => {
    const { telemetry } = world.browser.open();
    world.gateway.largest = 900;
    for (let n = 0; n < 8; n++) telemetry.track('tools', 'tool_created', { label: `${n}` });
    telemetry.track('tools', 'tool_created', { label: 'huge', metadata: { text: 'x'.repeat(1000) } });
    await world.pass(31_000);
    expect(world.labels.sort()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(telemetry.getState()).toMatchObject({ pending: 0, rejected: 1 });
  });
});

describe('a gateway that cannot now', () => {
  test.each(['20', new Date(START + 30_110 + 20_000).toUTCString()])(
    'is left alone for as long as it asks (Retry-After: %s)',
    async (retryAfter) => {
      const { telemetry } = world.browser.open();
      await world.pass(100);
      world.gateway.fault = 'unavailable';
      world.gateway.retryAfter = retryAfter;
      telemetry.track('tools', 'tool_created', { label: 'kept' });
      await world.pass(30_000);
      expect(world.batches).toHaveLength(1);
      expect(telemetry.getState()).toMatchObject({ pending: 2, delivery: 'waiting' });
      world.gateway.fault = 'none';
      void telemetry.flush();
      await world.pass(18_000);
      expect(world.batches).toHaveLength(1);
      await world.pass(4000);
      expect(world.labels).toEqual(['kept']);
    },
  );

  test('is tried again by itself, whatever fraction of a millisecond the dice give', async () => {
    const { telemetry } = world.browser.open();
    await world.pass(100);
    vi.mocked(Math.random).mockReturnValue(0.1003);
    world.gateway.fault = 'unavailable';
    world.gateway.retryAfter = '';
    telemetry.setFlushInterval(3_600_000);
    telemetry.track('tools', 'tool_created', { label: 'kept' });
    await Promise.all([telemetry.flush(), world.pass(50)]);
    world.gateway.fault = 'none';
    await world.pass(200);
    expect(world.labels).toEqual(['kept']);
  });

  test.each([0, 1])(
    'is tried again although the clock ticks between two looks at it (%i looks before)',
    async (before) => {
      const { telemetry } = world.browser.open();
      await world.pass(100);
      const exact = Date.now;
      let looks = before;
      vi.spyOn(Date, 'now').mockImplementation(() => exact() - (++looks % 2));
      world.gateway.fault = 'unavailable';
      world.gateway.retryAfter = '';
      telemetry.setFlushInterval(3_600_000);
      telemetry.track('tools', 'tool_created', { label: 'kept' });
      await Promise.all([telemetry.flush(), world.pass(50)]);
      world.gateway.fault = 'none';
      await world.pass(1000);
      expect(world.labels).toEqual(['kept']);
    },
  );

  test('is tried again also where the dice give no wait at all', async () => {
    vi.mocked(Math.random).mockReturnValue(0);
    world.gateway.fault = 'unavailable';
    world.gateway.retryAfter = '';
    const { telemetry } = world.browser.open();
    telemetry.setFlushInterval(3_600_000);
    telemetry.track('tools', 'tool_created', { label: 'kept' });
    void telemetry.flush();
    while (!world.gateway.requests.length) await world.pass(1);
    world.gateway.fault = 'none';
    await world.pass(1000);
    expect(world.labels).toEqual(['kept']);
  });

  test('is left alone also when the browser is online again', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    world.gateway.fault = 'unavailable';
    world.gateway.retryAfter = '600';
    tab.telemetry.track('tools', 'tool_created');
    await world.pass(30_000);
    tab.dispatch('online');
    await world.pass(60_000);
    expect(world.batches).toHaveLength(1);
  });

  test('is not asked by a leaving page either', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    world.gateway.fault = 'rate limited';
    tab.telemetry.track('tools', 'tool_created');
    await world.pass(30_000);
    tab.hide();
    await world.pass(10);
    expect(world.batches).toHaveLength(1);
  });

  test('and does not answer at all is asked rarely after the third try, and at once when the browser is online', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.online = false;
    tab.telemetry.track('tools', 'tool_created', { label: 'kept' });
    await world.pass(36_000);
    expect(tab.telemetry.getState().delivery).toBe('unreachable');
    const tries = tab.fetches;
    await world.pass(14_000);
    expect(tab.fetches).toBe(tries);
    tab.online = true;
    tab.dispatch('online');
    await world.pass(100);
    expect(world.labels).toEqual(['kept']);
  });

  test.each(['hangs', 'stalls'] as const)(
    'and %s is given up after half a minute, and the events are kept',
    async (fault) => {
      const { telemetry } = world.browser.open();
      await world.pass(100);
      world.gateway.fault = fault;
      telemetry.track('tools', 'tool_created', { label: 'kept' });
      await world.pass(60_200);
      world.gateway.fault = 'none';
      await world.pass(30_000);
      expect(telemetry.getState()).toMatchObject({ pending: 0, delivery: 'idle' });
      expect(world.labels).toEqual(['kept']);
    },
  );
});
