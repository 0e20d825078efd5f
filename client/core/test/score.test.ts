import fc from 'fast-check';
import { expect, test } from 'vitest';
import { engagementScore, hundredths, SCORE_TARGETS } from '../src/score.js';

/** Values that occur: whole milliseconds of study, whole numbers of the rest. */
const occurring = fc.record({
  days: fc.nat(7),
  // Every half point and half hundredth of one lies on a multiple of 4 500 ms; random times would never meet one.
  studyMs: fc.oneof(
    fc.nat(20_000_000),
    fc.nat(2500).map((n) => n * 4500),
  ),
  learned: fc.nat(60),
  used: fc.nat(6),
});

/** The definition in whole numbers: 1 800 000 parts make a point. */
const PARTS = 1_800_000n;
function parts({
  days,
  studyMs,
  learned,
  used,
}: {
  days: number;
  studyMs: number;
  learned: number;
  used: number;
}) {
  const least = (x: bigint, y: bigint) => (x < y ? x : y);
  return [
    least(25n, BigInt(days) * 5n) * PARTS,
    least(35n * PARTS, BigInt(studyMs) * 7n),
    least(25n * PARTS, (BigInt(learned) * 5n * PARTS) / 8n),
    least(15n, BigInt(used) * 3n) * PARTS,
  ];
}

const scoreOf = ({
  days,
  studyMs,
  learned,
  used,
}: {
  days: number;
  studyMs: number;
  learned: number;
  used: number;
}) =>
  engagementScore({
    active_days: days,
    study_minutes: studyMs / 60_000,
    learning_actions: learned,
    distinct_features: used,
  });

test('the score is the exact sum of its components, rounded half up', () => {
  fc.assert(
    fc.property(occurring, (values) => {
      const sum = parts(values).reduce((x, y) => x + y);
      expect(scoreOf(values).score).toBe(Number((2n * sum + PARTS) / (2n * PARTS)));
    }),
    { numRuns: 5000 },
  );
});

test('points are the nearest hundredth; half a hundredth goes where its binary value lies', () => {
  fc.assert(
    fc.property(occurring, (values) => {
      const points = scoreOf(values).components.map((component) => component.points);
      const expected = parts(values).map((part) => {
        const whole = (part * 100n) / PARTS;
        const rest = 2n * (part * 100n - whole * PARTS);
        // Such as 0.035: read from its digits, it is the nearest binary number.
        if (rest === PARTS) return evenHundredth(Number(`${whole}5e-3`));
        return Number(`${rest > PARTS ? whole + 1n : whole}e-2`);
      });
      expect(points).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
});

test('hundredths are those of the exact binary value, ties to even', () => {
  const eighths = fc.nat(100_000).map((n) => n / 8);
  const fives = fc.nat(10_000_000).map((n) => Number(`${n}5e-3`));
  const values = fc.oneof(eighths, fives, fc.double({ min: 0, max: 1e9, noNaN: true }));
  fc.assert(
    fc.property(values, (x) => {
      expect(hundredths(x)).toBe(evenHundredth(x));
    }),
    { numRuns: 10_000 },
  );
});

/** Rounds by the bits of a number: mantissa and exponent of its double, in whole numbers. */
function evenHundredth(x: number): number {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, x);
  const raw = bits.getBigUint64(0);
  const exponent = Number((raw >> 52n) & 0x7ffn);
  const mantissa = (raw & 0xfffffffffffffn) | (exponent ? 1n << 52n : 0n);
  const power = 1n << BigInt(1075 - (exponent || 1)); // x = mantissa / power, for all x below 2 ** 53
  const whole = (mantissa * 100n) / power;
  const rest = 2n * (mantissa * 100n - whole * power);
  const up = rest > power || (rest === power && whole % 2n === 1n);
  return Number(`${up ? whole + 1n : whole}e-2`);
}

test.each([
  [{ active_days: 1 }, 25],
  [{ active_days: 2 }, 13],
  [{ active_days: 3 }, 8],
])('a target of %o earns the weight over it', (target, score) => {
  const values = { active_days: 1, study_minutes: 0, learning_actions: 0, distinct_features: 0 };
  expect(engagementScore(values, { ...SCORE_TARGETS, ...target }).score).toBe(score);
});

test('a target that is a decimal fraction counts by its digits', () => {
  // 35 · 0.1 / 7 = 0.5 exactly; in binary numbers it is a little less.
  const values = { active_days: 0, study_minutes: 0.3 - 0.2, learning_actions: 0, distinct_features: 0 };
  expect(
    engagementScore({ ...values, study_minutes: 0.1 }, { ...SCORE_TARGETS, study_minutes: 7 }).score,
  ).toBe(1);
  expect(engagementScore(values, { ...SCORE_TARGETS, study_minutes: 7 }).score).toBe(0);
});

test('every component says its value, target and weight', () => {
  const values = { active_days: 4, study_minutes: 63.4567, learning_actions: 18, distinct_features: 3 };
  expect(engagementScore(values)).toEqual({
    score: 55,
    days: 7,
    components: [
      { name: 'active_days', value: 4, target: 5, weight: 25, points: 20 },
      { name: 'study_minutes', value: 63.46, target: 150, weight: 35, points: 14.81 },
      { name: 'learning_actions', value: 18, target: 40, weight: 25, points: 11.25 },
      { name: 'distinct_features', value: 3, target: 5, weight: 15, points: 9 },
    ],
  });
});
