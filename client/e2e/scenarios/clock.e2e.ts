import { describe, expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

/** Up to this the gateway takes a clock as right. */
const TOLERANCE_MS = 60_000;

describe('a computer whose clock is wrong', () => {
  for (const hours of [-5, 5]) {
    scenario(`by ${hours} hours has its events at the right time`, async ({ visitor, chromium }) => {
      await chromium.context.addInitScript((shift) => {
        const Right = Date;
        const now = () => Right.now() + shift;
        class Wrong extends Right {
          constructor(...args: ConstructorParameters<typeof Date> | []) {
            super(...((args.length > 0 ? args : [now()]) as ConstructorParameters<typeof Date>));
          }
          static override now = now;
        }
        globalThis.Date = Wrong as DateConstructor;
      }, hours * 3_600_000);
      const page = await visitor.open();
      const from = Date.now();
      await visitor.track(page, 5);
      const to = Date.now();
      await visitor.flush(page);
      for (const row of await visitor.stored()) {
        expect(row.occurred_ms).toBeGreaterThanOrEqual(from - TOLERANCE_MS);
        expect(row.occurred_ms).toBeLessThanOrEqual(to + TOLERANCE_MS);
      }
    });
  }
});
