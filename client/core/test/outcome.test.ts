import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { delayMs, outcomeOf, retryAfterMs } from '../src/outcome.js';

const NOW = Date.parse('2026-05-04T09:00:00Z');

function answer(status: number, body: BodyInit | null = null, headers: HeadersInit = {}): Promise<unknown> {
  return outcomeOf(new Response(body, { status, headers }), NOW);
}

describe('what an answer means', () => {
  test('a 202 says what became of each event', async () => {
    const rejected = [{ index: 1, eventId: 'x', code: 'too_old', message: '…' }];
    expect(await answer(202, JSON.stringify({ accepted: 4, rejected }))).toEqual({
      kind: 'answered',
      accepted: 4,
      rejected,
    });
  });

  test('a 422 refuses every event for good', async () => {
    const rejected = [{ index: 0, code: 'invalid_value', message: '…' }];
    expect(await answer(422, JSON.stringify({ title: 'refused', rejected }))).toEqual({
      kind: 'answered',
      accepted: 0,
      rejected,
    });
  });

  test("a 200 that is not the gateway's, as of a hotel's log-in page, delivers nothing", async () => {
    expect(await answer(200, '<html>Welcome</html>')).toEqual({ kind: 'unreachable' });
    expect(await answer(200, '{}')).toEqual({ kind: 'unreachable' });
  });

  test.each([413, 400])('a %i asks for smaller batches', async (status) => {
    expect(await answer(status)).toEqual({ kind: 'split' });
  });

  test.each([408, 429, 500, 502, 503])('a %i passes', async (status) => {
    expect(await answer(status)).toEqual({ kind: 'later', afterMs: 0 });
    expect(await answer(status, null, { 'Retry-After': '7' })).toEqual({ kind: 'later', afterMs: 7000 });
  });

  test.each([401, 403, 404, 405, 415])(
    'a %i keeps the events until somebody mends the set-up',
    async (status) => {
      expect(await answer(status)).toEqual({ kind: 'later', afterMs: 300_000 });
    },
  );
});

describe('Retry-After', () => {
  test('comes in seconds or as a date', () => {
    expect(retryAfterMs('120', NOW)).toBe(120_000);
    expect(retryAfterMs('Mon, 04 May 2026 09:00:30 GMT', NOW)).toBe(30_000);
  });

  test('of the past, of nonsense or of next year does no harm', () => {
    expect(retryAfterMs('Mon, 04 May 2020 09:00:30 GMT', NOW)).toBe(0);
    expect(retryAfterMs('soon', NOW)).toBe(0);
    expect(retryAfterMs('-5', NOW)).toBe(0);
    expect(retryAfterMs(null, NOW)).toBe(0);
    expect(retryAfterMs('99999999', NOW)).toBe(3_600_000);
  });
});

describe('the wait before another try', () => {
  test('is jittered in full, bounded, and never before what the server asked for', () => {
    fc.assert(
      fc.property(
        fc.nat(30),
        fc.float({ min: 0, max: 1, noNaN: true }),
        fc.nat(3_600_000),
        (n, random, afterMs) => {
          const wait = delayMs({ kind: 'later', afterMs }, n + 1, random);
          const bound = Math.min(300_000, 1000 * 2 ** n);
          expect(wait).toBeGreaterThanOrEqual(afterMs);
          expect(wait).toBeCloseTo(afterMs + random * bound, 3);
        },
      ),
    );
  });

  test('grows rare after three requests without an answer', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => delayMs({ kind: 'unreachable' }, attempt, 1));
    expect(waits).toEqual([1000, 2000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
    expect(delayMs({ kind: 'unreachable' }, 3, 0)).toBe(15_000);
  });
});
