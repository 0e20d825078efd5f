import { afterEach, beforeEach, vi } from 'vitest';
import { SimulatedBrowser } from './browser.js';
import { Gateway } from './gateway.js';

export const START = Date.parse('2026-05-04T09:00:00Z');

/** A fresh browser and gateway for each test, on fake time; jitter is always half. */
export class World {
  gateway = new Gateway();
  browser = new SimulatedBrowser(this.gateway);

  /** Time goes by. */
  pass(ms: number): Promise<unknown> {
    return vi.advanceTimersByTimeAsync(ms);
  }

  get batches() {
    return this.gateway.requests.filter(({ path }) => path.endsWith('/events'));
  }

  /** The labels of all events stored, in order of arrival. */
  get labels(): string[] {
    return [...this.gateway.stored.values()].flatMap(({ label }) => label ?? []);
  }
}

export function simulated(): World {
  const world = new World();
  beforeEach(() => {
    vi.useFakeTimers({ now: START });
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    world.gateway = new Gateway();
    world.browser = new SimulatedBrowser(world.gateway);
  });
  afterEach(() => {
    vi.clearAllTimers();
    vi.useRealTimers();
  });
  return world;
}
