import type { Action, ComponentName, ScoreComponent, Statistics } from './types.js';

/** What earns each component in full; all are positive. */
export type ScoreTargets = Readonly<Record<ComponentName, number>>;

/** The server's defaults. */
export const SCORE_TARGETS: ScoreTargets = {
  active_days: 5,
  study_minutes: 150,
  learning_actions: 40,
  distinct_features: 5,
};

/** Calendar days the score looks at, today included. */
export const SCORE_DAYS = 7;

/** The feature of the app that each action shows in use; actions that are not here show none. */
export const SCORE_FEATURES: Readonly<Partial<Record<Action, string>>> = {
  flashcard_review: 'flashcards',
  quiz_complete: 'quizzes',
  mind_map_view: 'mind_maps',
  message_sent: 'conversation',
  maestro_selected: 'maestros',
  voice_session: 'maestros',
  teaching_interaction: 'maestros',
  tool_created: 'tools',
  tool_completed: 'tools',
  tool_exported: 'tools',
};

const WEIGHTS = { active_days: 25, study_minutes: 35, learning_actions: 25, distinct_features: 15 };
const NAMES = Object.keys(WEIGHTS) as ComponentName[];

/**
 * The engagement score: the sum of weight · min(1, value / target), rounded half up to a whole number from 0 to 100.
 *
 * Numbers count by their decimal digits, as on the server, so that half a point is half a point. Values are not
 * negative.
 */
export function engagementScore(
  values: Readonly<Record<ComponentName, number>>,
  targets: ScoreTargets = SCORE_TARGETS,
): Statistics['score'] {
  let [sum, divisor] = [1n, 2n]; // begins with the half that makes rounding down rounding half up
  const components = NAMES.map((name): ScoreComponent => {
    const [value, target, weight] = [values[name], targets[name], WEIGHTS[name]];
    const [over, under] = decimal(value);
    const [targetOver, targetUnder] = decimal(target);
    const [reached, whole] = [over * targetUnder, under * targetOver];
    const [points, one] = reached < whole ? [BigInt(weight) * reached, whole] : [BigInt(weight), 1n];
    [sum, divisor] = [sum * one + points * divisor, divisor * one];
    return { name, value: hundredths(value), target, weight, points: hundredths(quotient(points, one)) };
  });
  return { score: Number(sum / divisor), days: SCORE_DAYS, components };
}

/** Rounded to hundredths by the exact binary value, a tie to the even digit, as Python's `round(x, 2)` does. */
export function hundredths(x: number): number {
  // toFixed goes by the exact value, too, but takes a tie up. Ties are odd eighths: .125 and .625 have to go down.
  return Number((x - ((x * 8) % 4 === 1 ? 0.001 : 0)).toFixed(2));
}

/** The fraction that the shortest decimal digits of a number stand for. */
function decimal(x: number): [over: bigint, under: bigint] {
  const [digits = '', exponent] = x.toExponential().split('e');
  const [whole = '', part = ''] = digits.split('.');
  const shift = Number(exponent) - part.length;
  const over = BigInt(whole + part);
  return shift < 0 ? [over, 10n ** BigInt(-shift)] : [over * 10n ** BigInt(shift), 1n];
}

/** The number nearest to a fraction: reading decimal digits rounds once, dividing numbers would round three times. */
function quotient(over: bigint, under: bigint): number {
  return Number(`${(over * 10n ** 30n) / under}e-30`);
}
