import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SimulatedBrowser, type Tab } from './simulation/browser.js';
import { type Fault, Gateway } from './simulation/gateway.js';

const FAULTS: Fault[] = [
  'none',
  'request lost',
  'answer lost',
  'unavailable',
  'rate limited',
  'too large',
  'hangs',
  'stalls',
  'captive portal',
];

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-05-04T09:00:00Z') });
});

afterEach(() => {
  vi.useRealTimers();
});

/** What may happen next; `tab` picks one of those that are open. */
type Step =
  | { do: 'open' | 'return' }
  | { do: 'track'; tab: number; count: number }
  | { do: 'crash' | 'close' | 'hide' | 'show' | 'back' | 'flush' | 'offline' | 'online'; tab: number }
  | { do: 'wait'; ms: number }
  | { do: 'fault'; fault: Fault };

const tab = fc.nat({ max: 9 });
const quietStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'open' }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('track' as const), tab, count: fc.integer({ min: 1, max: 30 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('flush', 'hide', 'show'), tab }) as fc.Arbitrary<Step>,
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(20), fc.nat(40_000)) }),
  },
);
const roughStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: quietStep },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('crash', 'close', 'back', 'offline', 'online'),
      tab,
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('fault' as const), fault: fc.constantFrom(...FAULTS) }),
  },
);

class World {
  readonly gateway = new Gateway();
  readonly browser = new SimulatedBrowser(this.gateway);
  readonly tracked: string[] = [];

  async take(step: Step): Promise<void> {
    const open = [...this.browser.tabs];
    const chosen = 'tab' in step ? open[step.tab % open.length] : undefined;
    if (step.do === 'open') this.browser.open();
    else if (step.do === 'wait') await vi.advanceTimersByTimeAsync(step.ms);
    else if (step.do === 'fault') {
      this.gateway.fault = step.fault === 'too large' ? 'none' : step.fault;
      this.gateway.largest = step.fault === 'too large' ? 900 : Number.POSITIVE_INFINITY;
    } else if (chosen) this.happen(step, chosen);
  }

  private happen(step: Step, tab: Tab): void {
    if (step.do === 'track') {
      for (let n = 0; n < step.count; n++) {
        const label = `event ${this.tracked.length}`;
        this.tracked.push(label);
        tab.telemetry.track('tools', 'tool_created', { label });
      }
    } else if (step.do === 'crash') tab.crash();
    else if (step.do === 'close') tab.close();
    else if (step.do === 'hide') tab.hide();
    else if (step.do === 'show') tab.show();
    else if (step.do === 'back') tab.leaveAndReturn();
    else if (step.do === 'flush') void tab.telemetry.flush();
    else if (step.do === 'offline') tab.online = false;
    else if (step.do === 'online') {
      tab.online = true;
      tab.dispatch('online');
    }
  }

  /** Everything works again, somebody comes back, and there is time. */
  async settle(): Promise<void> {
    this.gateway.fault = 'none';
    this.gateway.largest = Number.POSITIVE_INFINITY;
    for (const tab of this.browser.tabs) tab.online = true;
    this.browser.open();
    const deadline = Date.now() + 40 * 60_000;
    do await vi.advanceTimersByTimeAsync(30_000);
    while (this.browser.waiting.length > 0 && Date.now() < deadline);
  }

  get storedLabels(): string[] {
    return [...this.gateway.stored.values()].flatMap(({ label, action }) =>
      action === 'tool_created' && label ? [label] : [],
    );
  }
}

/** Holds a property of the world to 300 histories of such steps, each of which ends well. */
async function always(step: fc.Arbitrary<Step>, check: (world: World) => void): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      vi.setSystemTime(new Date('2026-05-04T09:00:00Z'));
      const world = new World();
      world.browser.open();
      for (const step of steps) await world.take(step);
      await world.settle();
      expect(world.storedLabels.sort()).toEqual([...world.tracked].sort());
      check(world);
      vi.clearAllTimers();
    }),
    { numRuns: 300 },
  );
}

test('every event is stored once, whatever tabs, crashes, failures and flushes come between', async () => {
  await always(roughStep, ({ browser, gateway }) => {
    expect(browser.waiting).toEqual([]);
    expect(new Set([...gateway.stored.values()].map(({ user }) => user)).size).toBeLessThanOrEqual(1);
  });
}, 120_000);

test('without a fault no event is sent twice, whichever tabs flush, hide and show', async () => {
  await always(quietStep, ({ gateway }) => {
    expect([...gateway.arrivals].filter(([, count]) => count > 1)).toEqual([]);
  });
}, 120_000);
