import { type History, SLOT_MS } from './history.js';
import { engagementScore, hundredths, SCORE_DAYS, SCORE_FEATURES, type ScoreTargets } from './score.js';
import type { Action, Day, Feature, Statistics, Totals } from './types.js';

const FEATURES: readonly (readonly [Feature, Action])[] = [
  ['flashcards', 'flashcard_review'],
  ['quizzes', 'quiz_complete'],
  ['mind_maps', 'mind_map_view'],
];

/** What is counted, of a day or of all. Study time belongs to the sessions counted beside it. */
class Counted {
  sessions = 0;
  studyMs = 0;
  readonly actions = new Map<Action, number>();

  of(action: Action): number {
    return this.actions.get(action) ?? 0;
  }

  add(action: Action, count: number): void {
    this.actions.set(action, this.of(action) + count);
  }

  totals(): Totals {
    return {
      sessions: this.sessions,
      studyMinutes: hundredths(this.studyMs / 60_000),
      questions: this.of('message_sent'),
      pageViews: this.of('page_view'),
    };
  }
}

/**
 * The last seven calendar days of this browser, today included, in its time zone, by the server's rules: sessions and
 * their study time belong to the day the session started, all else to the moment it happened.
 */
export function localStatistics(history: History, now: Date, targets?: ScoreTargets): Statistics {
  const [year, month, date] = [now.getFullYear(), now.getMonth(), now.getDate()];
  const offsets = Array.from({ length: SCORE_DAYS }, (_, index) => index + 1 - SCORE_DAYS);
  // Where midnight comes twice this is the first; where clocks jump over it, the moment they jump.
  const starts = [...offsets, 1].map((offset) => new Date(year, month, date + offset).getTime());
  const names = offsets.map((offset) =>
    new Date(Date.UTC(year, month, date + offset)).toISOString().slice(0, 10),
  );
  const days = offsets.map(() => new Counted());
  const whole = new Counted();
  const dayOf = (at: number): Counted | undefined => days[starts.findLastIndex((start) => start <= at)];

  for (const runs of Object.values(history.sessions)) {
    const started = runs[0]?.[0];
    const day = started === undefined ? undefined : dayOf(started);
    if (!day) continue;
    const studyMs = runs.reduce((sum, [first, last]) => sum + (last && last - first), 0);
    for (const counted of [day, whole]) {
      counted.sessions += 1;
      counted.studyMs += studyMs;
    }
  }
  for (const [slot, tabs] of Object.entries(history.counts)) {
    const day = dayOf(Number(slot) * SLOT_MS);
    if (!day) continue;
    for (const counts of Object.values(tabs)) {
      for (const [action, count] of Object.entries(counts) as [Action, number][]) {
        day.add(action, count);
        whole.add(action, count);
      }
    }
  }

  const features = FEATURES.map(([feature, action]) => ({ feature, count: whole.of(action) }));
  return {
    range: {
      from: names[0] as string,
      to: names.at(-1) as string,
      days: SCORE_DAYS,
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
    generatedAt: now.toISOString(),
    totals: whole.totals(),
    days: days.map(
      (day, index): Day => ({
        date: names[index] as string,
        ...day.totals(),
        flashcards: day.of('flashcard_review'),
        quizzes: day.of('quiz_complete'),
        mindMaps: day.of('mind_map_view'),
      }),
    ),
    features,
    score: engagementScore(
      {
        active_days: days.filter((day) => day.actions.size).length,
        study_minutes: whole.studyMs / 60_000,
        learning_actions: features.reduce((sum, { count }) => sum + count, 0),
        distinct_features: new Set(
          [...whole.actions.keys()].flatMap((action) => SCORE_FEATURES[action] ?? []),
        ).size,
      },
      targets,
    ),
  };
}
