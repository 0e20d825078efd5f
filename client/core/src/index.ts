export type { Choice } from './consent.js';
export type { History } from './history.js';
export type { ScoreTargets } from './score.js';
export type { Session } from './session.js';
export { localStatistics } from './statistics.js';
export { createTelemetry } from './telemetry.js';
export type * from './types.js';
