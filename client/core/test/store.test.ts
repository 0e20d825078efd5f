import { describe, expect, test, vi } from 'vitest';
import { createTelemetry, localStatistics } from '../src/index.js';
import type { AnyEvent } from '../src/types.js';
import { simulated } from './simulation/world.js';

const world = simulated();

describe('the store', () => {
  test('tells its listeners, and what it holds is what the page has done', () => {
    const { telemetry } = world.browser.open();
    const seen: number[] = [];
    telemetry.subscribe(({ pending }) => seen.push(pending));
    telemetry.track('education', 'quiz_complete', { value: 80 });
    telemetry.getState().track('conversation', 'message_sent');
    expect(seen).toEqual([2, 3]);
    const today = localStatistics(telemetry.getState().history, new Date()).days.at(-1);
    expect(today).toMatchObject({ sessions: 1, quizzes: 1, questions: 1 });
  });

  test('is one per page: asked again it is the same, and starts nothing twice', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    const requests = world.gateway.requests.length;
    const first = tab.telemetry;
    tab.start();
    await world.pass(100);
    expect(tab.telemetry).toBe(first);
    expect(world.gateway.requests).toHaveLength(requests);
  });

  test('begins anew after it was stopped, with what was waiting', async () => {
    const tab = world.browser.open();
    tab.telemetry.track('tools', 'tool_created', { label: 'kept' });
    tab.telemetry.stop();
    tab.telemetry.track('tools', 'tool_created', { label: 'after the end' });
    await world.pass(60_000);
    expect(world.labels).toEqual([]);
    tab.start();
    await world.pass(1000);
    expect(world.labels).toEqual(['kept']);
  });

  test('does nothing on a server, and does no harm there', async () => {
    const telemetry = createTelemetry({});
    telemetry.track('navigation', 'page_view');
    await telemetry.flush();
    expect(telemetry.getState()).toMatchObject({ pending: 0, enabled: true, session: null });
    telemetry.stop();
  });

  test('shows the same first state on server and page, whatever the page remembers', () => {
    world.browser.open().telemetry.track('navigation', 'page_view');
    const { telemetry } = world.browser.open();
    expect(telemetry.getInitialState().session).toBeNull();
    expect(telemetry.getState().session).not.toBeNull();
  });
});

describe('track', () => {
  test('never throws into the app: not with a full disk, nor with what is no JSON', () => {
    world.browser.quota = 0;
    const { telemetry } = world.browser.open();
    telemetry.track('tools', 'tool_created', { label: 'in memory' });
    const cyclic: Record<string, never> = {};
    Object.assign(cyclic, { cyclic });
    telemetry.track('tools', 'tool_created', { metadata: cyclic });
    expect(telemetry.getState().pending).toBe(2);
    expect(console.warn).toHaveBeenCalled();
  });

  test('sheds the oldest where storage is full, counts them, and goes on when there is room again', async () => {
    const { telemetry } = world.browser.open();
    await world.pass(100);
    for (let n = 0; n < 10; n++) telemetry.track('tools', 'tool_created', { label: `${n}` });
    world.browser.quota = world.browser.used + 100;
    for (let n = 10; n < 15; n++) telemetry.track('tools', 'tool_created', { label: `${n}` });
    const { dropped } = telemetry.getState();
    expect(dropped).toBeGreaterThan(0);
    world.browser.quota = 5_000_000;
    telemetry.track('tools', 'tool_created', { label: '15' });
    await world.pass(31_000);
    const stored = world.labels;
    expect(stored.at(-1)).toBe('15');
    // The session's start was the oldest of all.
    expect(stored).toHaveLength(16 - (dropped - 1));
    expect(stored).not.toContain('0');
  });

  test('takes nothing but label, value and metadata along', () => {
    const { telemetry } = world.browser.open();
    const sneaky = { label: 'x', userId: 'somebody', category: 'error' };
    telemetry.track('tools', 'tool_created', sneaky);
    const event = JSON.parse(world.browser.items.get(world.browser.waiting.at(-1) ?? '') ?? '') as AnyEvent;
    expect(Object.keys(event).sort()).toEqual(
      ['eventId', 'sessionId', 'timestamp', 'category', 'action', 'label'].sort(),
    );
  });

  test('is typed by category and action, and asks for the maestro', () => {
    const { telemetry } = world.browser.open();
    telemetry.track('maestro', 'maestro_selected', { label: 'archimede' });
    // @ts-expect-error a maestro without a name means nothing
    telemetry.track('maestro', 'maestro_selected');
    // @ts-expect-error no such action there
    telemetry.track('education', 'page_view');
    // @ts-expect-error no such category
    telemetry.track('gossip', 'page_view');
    expect(telemetry.getState().pending).toBe(5);
  });
});

test.each(['', 'no JSON', '{}', '{"state":{"history":{"sessions":[],"counts":7}}}'])(
  'what somebody else left under our name (%j) stops nothing',
  async (found) => {
    world.browser.items.set('convergio', found);
    const { telemetry } = world.browser.open();
    telemetry.track('education', 'quiz_complete', { label: 'counted' });
    await world.pass(31_000);
    expect(world.labels).toEqual(['counted']);
    expect(localStatistics(telemetry.getState().history, new Date()).days.at(-1)?.quizzes).toBe(1);
  },
);

describe('tabs', () => {
  test('share one session and one history', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    one.telemetry.track('education', 'quiz_complete');
    await world.pass(10);
    two.telemetry.track('education', 'quiz_complete');
    await world.pass(10);
    expect(one.telemetry.getState().session?.id).toBe(two.telemetry.getState().session?.id);
    for (const { telemetry } of [one, two]) {
      expect(localStatistics(telemetry.getState().history, new Date()).days.at(-1)).toMatchObject({
        sessions: 1,
        quizzes: 2,
      });
    }
  });

  test('that write at the same moment lose nothing of each other', async () => {
    const [one, two] = [world.browser.open(), world.browser.open()];
    one.telemetry.track('education', 'quiz_complete');
    two.telemetry.track('education', 'quiz_complete');
    await world.pass(10);
    one.crash();
    two.crash();
    const { telemetry } = world.browser.open();
    expect(localStatistics(telemetry.getState().history, new Date()).days.at(-1)?.quizzes).toBe(2);
  });

  test('take over what a dead one left, while living ones keep theirs', async () => {
    const [dead, living] = [world.browser.open(), world.browser.open()];
    await world.pass(100);
    dead.telemetry.track('tools', 'tool_created', { label: 'left behind' });
    dead.crash();
    living.telemetry.track('tools', 'tool_created', { label: 'own' });
    const third = world.browser.open();
    await world.pass(100);
    expect(world.labels).toEqual(['left behind']);
    third.crash();
    await world.pass(30_000);
    expect(world.labels).toEqual(['left behind', 'own']);
  });

  test('send what a dead one left once, although they see late what another has removed', async () => {
    world.browser.removalLagMs = 1000;
    const [dead, ...living] = [world.browser.open(), world.browser.open(), world.browser.open()];
    await world.pass(100);
    for (let n = 0; n < 30; n++) dead?.telemetry.track('tools', 'tool_created', { label: `${n}` });
    dead?.crash();
    for (const { telemetry } of living) {
      void telemetry.flush();
      await world.pass(200);
    }
    expect(world.labels).toHaveLength(30);
    expect([...world.gateway.arrivals.values()].filter((times) => times > 1)).toEqual([]);
  });

  test('without Web Locks take over once, at their start', async () => {
    const dead = world.browser.open({}, { locks: undefined as never });
    dead.telemetry.track('tools', 'tool_created', { label: 'left behind' });
    dead.crash();
    world.browser.open({}, { locks: undefined as never });
    await world.pass(1000);
    expect(world.labels).toEqual(['left behind']);
  });
});

describe('a page that may keep nothing, as in a sandboxed frame', () => {
  test('sends all the same, from memory', async () => {
    const refused = { request: () => Promise.reject(new DOMException('no', 'SecurityError')) };
    const tab = world.browser.open({}, { locks: refused as never }, 'no storage');
    tab.telemetry.track('tools', 'tool_created', { label: 'sent' });
    await world.pass(31_000);
    expect(world.labels).toEqual(['sent']);
    expect(world.browser.items.size).toBe(0);
  });
});

describe('a session that is over', () => {
  test('is ended after half an hour of silence, by whoever is there', async () => {
    const { telemetry } = world.browser.open();
    telemetry.track('navigation', 'page_view');
    await world.pass(32 * 60_000);
    const actions = [...world.gateway.stored.values()].map(({ action }) => action);
    expect(actions).toEqual(['session_start', 'page_view', 'session_end']);
  });

  test('elsewhere goes on here, when another tab has kept it up', async () => {
    const [asleep, awake] = [world.browser.open(), world.browser.open()];
    asleep.telemetry.track('navigation', 'page_view');
    await world.pass(10);
    const { id } = asleep.telemetry.getState().session ?? {};
    for (let n = 0; n < 4; n++) {
      await world.pass(20 * 60_000);
      awake.telemetry.track('navigation', 'page_view');
    }
    await world.pass(10);
    asleep.telemetry.track('navigation', 'page_view');
    expect(asleep.telemetry.getState().session?.id).toBe(id);
  });
});

describe('uncaught errors', () => {
  const errors = () => [...world.gateway.stored.values()].filter(({ action }) => action === 'client_error');

  test('are noted by class, file and place, never by what they say', async () => {
    const tab = world.browser.open();
    const error = new TypeError('cannot read "Anna Rossi" of undefined');
    tab.dispatch('error', {
      error,
      message: error.message,
      filename: 'https://app.example/assets/app-1a2b.js?v=3',
      lineno: 7,
      colno: 12,
    });
    tab.dispatch('unhandledrejection', { reason: 'anna.rossi@example.org' });
    tab.dispatch('error', {
      error: null,
      message: 'Script error.',
      filename: 'https://app.example/user/anna',
    });
    await vi.dynamicImportSettled();
    await world.pass(31_000);
    expect(errors().map(({ label, metadata }) => [label, metadata])).toEqual([
      ['TypeError', { file: 'app-1a2b.js', line: 7, column: 12 }],
      ['Error', undefined],
      ['Error', undefined],
    ]);
    expect(JSON.stringify(errors())).not.toMatch(/anna/i);
  });

  test('without end are noted ten times', async () => {
    const tab = world.browser.open();
    for (let n = 0; n < 100; n++) tab.dispatch('error', { error: new Error('again') });
    await vi.dynamicImportSettled();
    await world.pass(31_000);
    expect(errors()).toHaveLength(10);
  });

  test('are left alone where the app says so', async () => {
    const tab = world.browser.open({ captureErrors: false });
    tab.dispatch('error', { error: new Error('x') });
    await vi.dynamicImportSettled();
    await world.pass(31_000);
    expect(errors()).toEqual([]);
  });
});

test('an error after the code that describes it has come is noted as well', async () => {
  const tab = world.browser.open();
  await vi.dynamicImportSettled();
  tab.dispatch('error', { error: new RangeError('late') });
  await world.pass(31_000);
  expect(world.labels).toEqual(['RangeError']);
});
