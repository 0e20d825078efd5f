import { describe, expect, test, vi } from 'vitest';
import { simulated } from './simulation/world.js';

const world = simulated();

describe('a page that leaves', () => {
  test('sends at once what waits, uncompressed and without a preflight', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.telemetry.track('tools', 'tool_created', { label: 'last' });
    const fetched = vi.fn();
    tab.onFetch = fetched;
    tab.close();
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(fetched.mock.calls[0]?.[1]).toMatchObject({
      keepalive: true,
      headers: { 'Content-Type': 'text/plain' },
    });
    await world.pass(100);
    expect(world.labels).toEqual(['last']);
  });

  test('sends also what is noted only when it becomes hidden', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.onHidden = () => tab.telemetry.track('performance', 'interaction_time', { label: 'INP', value: 40 });
    tab.close();
    await world.pass(100);
    expect(world.labels).toEqual(['INP']);
  });

  test('keeps to the 64 KiB that browsers let pages send, and the rest goes at the next visit', async () => {
    const tab = world.browser.open({ batchSize: 500 });
    await world.pass(100);
    const metadata = { note: 'è'.repeat(200) };
    for (let n = 0; n < 200; n++) tab.telemetry.track('tools', 'tool_created', { label: `${n}`, metadata });
    const fetched = vi.fn();
    tab.onFetch = fetched;
    tab.close();
    const sent = fetched.mock.calls.map(([, init]) => (init.body as Uint8Array).length);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toBeGreaterThan(50 * 1024);
    expect(sent[0]).toBeLessThanOrEqual(60 * 1024);
    await world.pass(100);
    expect(world.labels.length).toBeLessThan(200);
    world.browser.open();
    await world.pass(30_000);
    expect(new Set(world.labels).size).toBe(200);
  });

  test('and comes back out of the back/forward cache goes on, and sends nothing twice', async () => {
    const tab = world.browser.open();
    await world.pass(100);
    tab.telemetry.track('tools', 'tool_created', { label: 'before' });
    tab.leaveAndReturn();
    tab.telemetry.track('tools', 'tool_created', { label: 'after' });
    await world.pass(60_000);
    expect(world.labels).toEqual(['before', 'after']);
    expect([...world.gateway.arrivals.values()].every((count) => count === 1)).toBe(true);
  });
});
