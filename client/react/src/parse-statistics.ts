import type { Day, ScoreComponent, Statistics } from '@convergio/telemetry';

type Json = Record<string, unknown>;

/** An answer as statistics, or null if it is something else. Names that are new (a feature, say) are taken. */
export function parseStatistics(value: unknown): Statistics | null {
  return isStatistics(value) ? value : null;
}

function isStatistics(value: unknown): value is Statistics {
  return (
    isObject(value) &&
    isObject(value.range) &&
    isTimeZone(value.range.timeZone) &&
    isInstant(value.generatedAt) &&
    hasTotals(value.totals) &&
    isListOf(value.days, isDay) &&
    value.days.length > 0 &&
    isListOf(value.features, isFeature) &&
    isObject(value.score) &&
    isAmount(value.score.score) &&
    value.score.score <= 100 &&
    isListOf(value.score.components, isComponent)
  );
}

function isDay(value: unknown): value is Day {
  return hasTotals(value) && /^\d{4}-\d\d-\d\d$/.test(String(value.date)) && isInstant(value.date);
}

function hasTotals(value: unknown): value is Json {
  return (
    isObject(value) &&
    ['sessions', 'studyMinutes', 'questions', 'pageViews'].every((name) => isAmount(value[name]))
  );
}

function isFeature(value: unknown): value is Statistics['features'][number] {
  return isObject(value) && typeof value.feature === 'string' && isAmount(value.count);
}

function isComponent(value: unknown): value is ScoreComponent {
  return (
    isObject(value) &&
    typeof value.name === 'string' &&
    ['value', 'target', 'weight', 'points'].every((name) => isAmount(value[name]))
  );
}

function isListOf<T>(value: unknown, is: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isInstant(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isTimeZone(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    return false;
  }
}
