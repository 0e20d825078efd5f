import type { Day, Statistics } from '@convergio/telemetry';

/** Today is the last of the days; there is always one. */
export function today({ days }: Statistics): Day {
  const last = days.at(-1);
  if (last === undefined) throw new RangeError('statistics without a day');
  return last;
}

/** Whether nothing at all happened: an event of any kind makes its day an active one. */
export function isEmpty({ totals, features, score }: Statistics): boolean {
  const active = score.components.find(({ name }) => name === 'active_days')?.value ?? 0;
  return (
    active === 0 &&
    totals.sessions + totals.studyMinutes + totals.questions + totals.pageViews === 0 &&
    features.every(({ count }) => count === 0)
  );
}
