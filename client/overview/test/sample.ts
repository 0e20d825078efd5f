import type { Overview } from '../src/answer.js';

/** What a school's exporter might answer on a good day. */
export const SAMPLE: Overview = {
  generatedAt: '2026-05-07T08:32:10Z',
  readAt: '2026-05-07T08:32:08Z',
  stale: false,
  timeZone: 'Europe/Rome',
  activeUsers: [
    { period: '1h', users: 412, dayBefore: 380 },
    { period: '24h', users: 1876, dayBefore: 1921 },
    { period: '7d', users: 5310, dayBefore: null },
  ],
  studyTime: {
    today: 6_312.5,
    yesterday: 5_120,
    days: [41_250, 38_700, 12_300, 9_840, 44_010, 42_905, 6_312.5].map((studyMinutes, at) => ({
      date: `2026-05-0${at + 1}`,
      sessions: Math.round(studyMinutes / 21),
      studyMinutes,
    })),
  },
  features: [
    { feature: 'flashcards', today: 3_204, yesterday: 2_875 },
    { feature: 'quizzes', today: 811, yesterday: 1_020 },
    { feature: 'mind_maps', today: 240, yesterday: 0 },
  ],
  maestros: [
    { maestro: 'archimede', today: 310, yesterday: 280 },
    { maestro: 'maria-montessori', today: 255, yesterday: 301 },
    { maestro: 'galileo', today: 190, yesterday: 120 },
    { maestro: 'ipazia', today: 122, yesterday: 122 },
    { maestro: 'dante', today: 87, yesterday: 40 },
  ],
  sinceBeginning: { events: 12_904_311, sessions: 402_118, studyMinutes: 8_311_204 },
  health: {
    version: '0.1.0',
    clickhouse: { readable: true, readAt: '2026-05-07T08:32:08Z', seconds: 0.042, failures: 0 },
    newestEvent: { occurredAt: '2026-05-07T08:32:05Z', receivedAt: '2026-05-07T08:32:06Z' },
    erasures: { unswept: 0, oldestAt: null },
    closedDay: '2026-02-04',
  },
};

/** Before the first event. */
export const EMPTY: Overview = {
  ...SAMPLE,
  activeUsers: SAMPLE.activeUsers.map((period) => ({
    ...period,
    users: 0,
    dayBefore: period.dayBefore && 0,
  })),
  studyTime: {
    today: 0,
    yesterday: 0,
    days: SAMPLE.studyTime.days.map(({ date }) => ({ date, sessions: 0, studyMinutes: 0 })),
  },
  features: SAMPLE.features.map(({ feature }) => ({ feature, today: 0, yesterday: 0 })),
  maestros: [],
  sinceBeginning: { events: 0, sessions: 0, studyMinutes: 0 },
  health: { ...SAMPLE.health, newestEvent: null, closedDay: null },
};

/** Half an hour after ClickHouse went away, with rows of erased users that should be gone. */
export const STALE: Overview = {
  ...SAMPLE,
  readAt: '2026-05-07T08:02:08Z',
  stale: true,
  health: {
    ...SAMPLE.health,
    clickhouse: { readable: false, readAt: '2026-05-07T08:02:08Z', seconds: 0.042, failures: 214 },
    newestEvent: { occurredAt: '2026-05-07T08:02:05Z', receivedAt: '2026-05-07T08:02:06Z' },
    erasures: { unswept: 3, oldestAt: '2026-05-07T05:10:00Z' },
  },
};

/** The body of a refusal. */
export const problem = (type: string) => ({
  type: `urn:convergio:problem:${type}`,
  title: '',
  status: 0,
  detail: '',
});
