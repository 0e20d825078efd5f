import { describe, expect, test } from 'vitest';
import { simulated } from './simulation/world.js';

const world = simulated();

describe('somebody who says no', () => {
  test('has nothing kept, nothing on its way and nothing sent, in no tab', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    await world.pass(100);
    for (const tab of [one, two]) tab.telemetry.track('tools', 'tool_created');
    one.telemetry.setEnabled(false);
    await world.pass(10);
    for (const tab of [one, two]) tab.telemetry.track('tools', 'tool_created');
    await world.pass(120_000);
    two.close();
    await world.pass(100);
    expect(world.batches).toEqual([]);
    expect(world.browser.waiting).toEqual([]);
    expect(two.telemetry.getState().enabled).toBe(false);
    expect(world.gateway.requests.map(({ path, body }) => [path, body]).at(-1)).toEqual([
      '/api/telemetry/consent',
      '{"optOut":true}',
    ]);
  });

  test('while a request is under way has it aborted', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.telemetry.track('tools', 'tool_created');
    void tab.telemetry.flush();
    await world.pass(2);
    tab.telemetry.setEnabled(false);
    await world.pass(60_000);
    expect(world.gateway.stored.size).toBe(0);
  });

  test.each(['cookie', 'storage'])(
    'stays unheard only if both are lost: the %s alone keeps it off',
    async (kept) => {
      world.browser.open().telemetry.setEnabled(false);
      await world.pass(100);
      for (const tab of world.browser.tabs) tab.crash();
      if (kept === 'cookie') world.browser.items.clear();
      else world.browser.cookies.clear();
      const { telemetry } = world.browser.open();
      telemetry.track('tools', 'tool_created');
      await world.pass(60_000);
      expect(telemetry.getState().enabled).toBe(false);
      expect(world.batches).toEqual([]);
      expect(world.browser.cookies.get('convergio_optout')).toBe('1');
      expect(JSON.parse(world.browser.items.get('convergio') ?? '').state.choice.off).toBe(true);
    },
  );

  test('can say yes again, in all tabs', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    one.telemetry.setEnabled(false);
    await world.pass(100);
    two.telemetry.setEnabled(true);
    await world.pass(100);
    one.telemetry.track('tools', 'tool_created', { label: 'welcome back' });
    await world.pass(31_000);
    expect(world.labels).toEqual(['welcome back']);
    expect(world.browser.cookies.has('convergio_optout')).toBe(false);
  });

  test('while offline is told to the gateway later, since its cookie lasts longer than ours', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.online = false;
    tab.telemetry.setEnabled(false);
    await world.pass(100);
    expect(world.gateway.requests.filter(({ path }) => path.endsWith('/consent'))).toEqual([]);
    tab.crash();
    const next = world.browser.open();
    await world.pass(100);
    expect(world.gateway.requests.map(({ body }) => body).at(-1)).toBe('{"optOut":true}');
    expect(next.telemetry.getState().choice).toMatchObject({ off: true, told: true });
    const { length } = world.gateway.requests;
    next.dispatch('online');
    world.browser.open();
    await world.pass(60_000);
    expect(world.gateway.requests).toHaveLength(length);
  });

  test('and thinks better of it before the gateway has answered is heard in that order', async () => {
    const { telemetry } = world.browser.open();
    await world.pass(100);
    telemetry.setEnabled(false);
    await world.pass(2);
    telemetry.setEnabled(true);
    telemetry.track('tools', 'tool_created', { label: 'counted' });
    await world.pass(31_000);
    const told = world.gateway.requests.filter(({ path }) => path.endsWith('/consent'));
    expect(told.map(({ body }) => body)).toEqual(['{"optOut":true}', '{"optOut":false}']);
    expect((told[1]?.at ?? 0) - (told[0]?.at ?? 0)).toBeGreaterThanOrEqual(10);
    expect(telemetry.getState()).toMatchObject({ enabled: true, choice: { off: false, told: true } });
    expect(world.labels).toEqual(['counted']);
  });

  test.each([{ globalPrivacyControl: true }, { doNotTrack: '1' }])(
    'by the browser (%o) is believed, and cannot be overruled by a click',
    async (signal) => {
      const { telemetry } = world.browser.open({}, signal as Partial<Navigator>);
      telemetry.setEnabled(true);
      telemetry.track('tools', 'tool_created');
      await world.pass(60_000);
      expect(telemetry.getState()).toMatchObject({ enabled: false, browserSignal: true });
      expect(world.gateway.requests).toEqual([]);
    },
  );

  test('by the browser is not asked where the app is told so', async () => {
    const { telemetry } = world.browser.open({ respectBrowserSignals: false }, { doNotTrack: '1' });
    telemetry.track('tools', 'tool_created', { label: 'sent' });
    await world.pass(31_000);
    expect(world.labels).toEqual(['sent']);
  });
});

describe('deleting my data', () => {
  test('erases here and at the server, in all tabs, and what comes later is a new beginning', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    await world.pass(100);
    one.telemetry.track('tools', 'tool_created', { label: 'old' });
    await world.pass(31_000);
    const { user } = world.browser;
    two.telemetry.track('tools', 'tool_created', { label: 'waiting' });
    const deleted = one.telemetry.deleteMyData();
    await world.pass(100);
    await deleted;
    expect(world.labels).toEqual([]);
    expect(world.browser.waiting).toEqual([]);
    for (const { telemetry } of [one, two]) {
      expect(telemetry.getState()).toMatchObject({
        pending: 0,
        session: null,
        history: { sessions: {}, counts: {} },
      });
    }
    two.telemetry.track('tools', 'tool_created', { label: 'new' });
    await world.pass(31_000);
    expect(world.labels).toEqual(['new']);
    expect(world.browser.user).not.toBe(user);
  });

  test('waits for what is on its way, in any tab, so that it does not come back', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    await world.pass(100);
    two.telemetry.track('tools', 'tool_created', { label: 'on its way' });
    void two.telemetry.flush();
    await world.pass(3);
    const deleted = one.telemetry.deleteMyData();
    await world.pass(100);
    await deleted;
    expect(
      world.gateway.requests.map(({ method, path }) => `${method} ${path.split('/').at(-1)}`).slice(-3),
    ).toEqual(['POST events', 'DELETE me', 'POST identity']);
    expect(world.labels).toEqual([]);
  });

  test('keeps another tab that leaves meanwhile from sending what was deleted', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    await world.pass(100);
    two.telemetry.track('tools', 'tool_created', { label: 'deleted' });
    const deleted = one.telemetry.deleteMyData();
    two.close();
    await world.pass(100);
    await deleted;
    expect(world.labels).toEqual([]);
    expect([...world.gateway.arrivals.keys()]).toEqual([]);
  });

  test('fails with what to do, and deletes nothing here, where the server cannot be asked', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.telemetry.track('tools', 'tool_created');
    await world.pass(31_000);
    tab.online = false;
    const offline = expect(tab.telemetry.deleteMyData()).rejects.toThrow('no answer');
    await world.pass(100);
    await offline;
    tab.online = true;
    world.gateway.fault = 'unavailable';
    const away = expect(tab.telemetry.deleteMyData()).rejects.toThrow('503');
    await world.pass(100);
    await away;
    expect(Object.keys(tab.telemetry.getState().history.sessions)).toHaveLength(1);
  });
});
