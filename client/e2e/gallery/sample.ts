import type { Day, Statistics } from '@convergio/telemetry';

/** When the gallery is. Its numbers never change, so neither do its screenshots. */
const NOW = new Date('2026-05-07T08:32:00Z');

const MINUTES = [12, 0, 21.5, 64.8, 8, 0, 26.25];

/** A week of a student who studies, or (with `share` 0) of one who does not. */
export function sample(share = 1): Statistics {
  const of = (amount: number) => Math.round(amount * share);
  const hundredths = (amount: number) => Math.round(amount * 100) / 100;
  const days: Day[] = MINUTES.map((minutes, index) => ({
    date: `2026-05-0${1 + index}`,
    sessions: minutes > 0 ? of(1 + (index % 3)) : 0,
    studyMinutes: hundredths(minutes * share),
    questions: of(minutes / 4),
    pageViews: of(minutes / 2),
    flashcards: of(minutes / 6),
    quizzes: of(minutes / 25),
    mindMaps: of(minutes / 40),
  }));
  const sum = (read: (day: Day) => number) => days.reduce((total, day) => total + read(day), 0);
  const minutes = hundredths(sum((day) => day.studyMinutes));
  const uses = {
    flashcards: sum((day) => day.flashcards),
    quizzes: sum((day) => day.quizzes),
    mind_maps: sum((day) => day.mindMaps),
  };
  const values = {
    active_days: days.filter((day) => day.studyMinutes > 0).length,
    study_minutes: minutes,
    learning_actions: uses.flashcards + uses.quizzes + uses.mind_maps,
    distinct_features: of(4),
  };
  const goals = {
    active_days: { target: 5, weight: 25 },
    study_minutes: { target: 150, weight: 35 },
    learning_actions: { target: 40, weight: 25 },
    distinct_features: { target: 5, weight: 15 },
  };
  const components = (Object.keys(goals) as (keyof typeof goals)[]).map((name) => {
    const { target, weight } = goals[name];
    const value = hundredths(values[name]);
    return {
      name,
      value,
      target,
      weight,
      points: hundredths(weight * Math.min(1, value / target)),
    };
  });
  return {
    range: { from: '2026-05-01', to: '2026-05-07', days: 7, timeZone: 'Europe/Rome' },
    generatedAt: NOW.toISOString(),
    totals: {
      sessions: sum((day) => day.sessions),
      studyMinutes: minutes,
      questions: sum((day) => day.questions),
      pageViews: sum((day) => day.pageViews),
    },
    days,
    features: [
      { feature: 'flashcards', count: uses.flashcards },
      { feature: 'quizzes', count: uses.quizzes },
      { feature: 'mind_maps', count: uses.mind_maps },
    ],
    score: {
      score: Math.floor(components.reduce((total, { points }) => total + points, 0) + 0.5),
      days: 7,
      components,
    },
  };
}
