import type { Action } from './types.js';

/** Gaps between a learner's events in a session are study time up to here, in milliseconds. The server's default. */
export const GAP_MS = 300_000;
/** Events are counted by quarters of an hour, because every day of every time zone begins on one. */
export const SLOT_MS = 900_000;
/**
 * Longer than seven calendar days, one of them of 25 hours, and a session of 24 hours: so the part of a session that one
 * tab knows may go without a later part that another knows, and no day shown changes.
 */
const KEPT_MS = 9 * 86_400_000;

/** The actions of the categories error and performance: a page reports them by itself, so they are no study. */
const NOT_STUDY = /error|load|time/;

/**
 * First and last moment (ms since 1970) of a learner's events that follow each other within `GAP_MS`.
 *
 * With 0 as its last moment it is an event that is no study, kept where a session began with it.
 */
type Run = readonly [first: number, last: number];
type Tree<T> = Readonly<Record<string, T>>;

/**
 * What happened in this browser: a JSON value that tabs write each by itself and join whenever they meet.
 *
 * `join` is commutative, associative and idempotent, so nothing is lost or counted twice, whatever the order.
 */
export interface History {
  /** When everything was erased last, ms since 1970. */
  readonly epoch: number;
  /** By session: its runs, sorted, further apart than `GAP_MS`. Their lengths add up to its study time. */
  readonly sessions: Tree<readonly Run[]>;
  /** By slot, tab and action. A tab counts only under its own name, and only up: the larger number is the newer. */
  readonly counts: Tree<Tree<Tree<number>>>;
}

export const emptyHistory = (epoch = 0): History => ({ epoch, sessions: {}, counts: {} });

/**
 * Adds an event that happened `at` (ms since 1970).
 *
 * `tab` names the writer and must be new with every page load: a name written in two places would lose counts.
 */
export const record = (
  history: History,
  tab: string,
  session: string,
  action: Action,
  at: number,
): History => {
  const slot = Math.floor(at / SLOT_MS);
  return join(history, {
    epoch: history.epoch,
    sessions: { [session]: [[at, NOT_STUDY.test(action) ? 0 : at]] },
    counts: { [slot]: { [tab]: { [action]: (history.counts[slot]?.[tab]?.[action] ?? 0) + 1 } } },
  });
};

/**
 * What either knows; of a different `epoch` the later alone. Gives `a` itself where `b` adds nothing to it, and shares
 * what did not change.
 */
export const join = (a: History, b: History): History =>
  a.epoch === b.epoch ? merge(a, b) : a.epoch > b.epoch ? a : b;

/**
 * Without the sessions whose last run began, and the slots that ended, more than nine days before `now`; the same
 * object if there are none.
 */
export const prune = (history: History, now: number): History => {
  const oldest = now - KEPT_MS;
  const sessions = keep(history.sessions, (_, runs) => runs.some(([first]) => first >= oldest));
  const counts = keep(history.counts, (slot) => (+slot + 1) * SLOT_MS > oldest);
  return sessions === history.sessions && counts === history.counts
    ? history
    : { ...history, sessions, counts };
};

/** A history out of storage; an empty one if it is not of this shape, which `join` relies on. */
export const readHistory = (value: unknown): History => {
  const { epoch, sessions, counts } = (value ?? {}) as History;
  return isNumber(epoch) && isTree(sessions, isRuns) && isTree(counts, isTabs)
    ? { epoch, sessions, counts }
    : emptyHistory();
};

type Check = (value: unknown) => unknown;
const isNumber: Check = Number.isFinite;
const isTree = (value: unknown, check: Check): unknown =>
  typeof value === 'object' && value && !Array.isArray(value) && Object.values(value).every(check);
const isList = (value: unknown, check: Check): unknown => Array.isArray(value) && value.every(check);
const isRuns: Check = (runs) =>
  isList(runs, (run) => isList(run, isNumber) && (run as readonly number[]).length === 2);
const isTabs: Check = (tabs) => isTree(tabs, (counts) => isTree(counts, isNumber));

const keep = <T>(tree: Tree<T>, test: (key: string, value: T) => boolean): Tree<T> => {
  const all = Object.entries(tree);
  const kept = all.filter(([key, value]) => test(key, value));
  return all[kept.length] ? Object.fromEntries(kept) : tree;
};

const merge = <T>(a: T, b: T): T => {
  if (typeof a === 'number') return (a < (b as number) ? b : a) as T;
  if (Array.isArray(a)) return mergeRuns(a, b as readonly Run[]) as T;
  let merged = a;
  for (const key in b) {
    const value = Object.hasOwn(a as object, key) ? merge(a[key], b[key]) : b[key];
    if (value !== a[key]) {
      if (merged === a) merged = { ...a };
      merged[key] = value;
    }
  }
  return merged;
};

// Exact: an event between the ends of a run is within the gap of a neighbour there, and runs that do not overlap are
// one if their ends are within it. So runs are the classes of a learner's events, whatever was joined in which order.
// Of what is no study the first stays, and only while no run began before it. Sorted as text: for moments of the same
// number of digits that is their order, and it orders those that begin at the same moment, too.
const mergeRuns = (a: readonly Run[], b: readonly Run[]): readonly Run[] => {
  const merged: [number, number][] = [];
  for (const [first, last] of [...a, ...b].sort()) {
    const before = merged.at(-1);
    if (before && first - before[1] <= GAP_MS) before[1] = Math.max(before[1], last);
    else if (!before || last) merged.push([first, last]);
  }
  return `${merged}` === `${a}` ? a : merged;
};
