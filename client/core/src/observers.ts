import { onINP, onLCP } from 'web-vitals';
import type { Track } from './types.js';

/** A page whose errors repeat without end tells enough with the first ones. */
const MOST_ERRORS = 10;

/**
 * Notes how long the page took to show its main content, and the slowest interaction, in milliseconds.
 */
export function observeVitals(track: Track): void {
  onLCP(({ value, rating }) =>
    track('performance', 'page_load', { label: 'LCP', value: Math.round(value), metadata: { rating } }),
  );
  onINP(({ value, rating }) =>
    track('performance', 'interaction_time', {
      label: 'INP',
      value: Math.round(value),
      metadata: { rating },
    }),
  );
}

/**
 * Notes uncaught errors as `client_error`: those that `seen` holds already, and those that will be pushed to it.
 *
 * The error's class is the label; for a script file its name and the place come along. Never the message or the page's
 * address, which may hold what somebody typed.
 */
export function observeErrors(track: Track, seen: Event[]): void {
  let left = MOST_ERRORS;

  function note(event: Partial<ErrorEvent & PromiseRejectionEvent>): void {
    if (left-- < 1) return;
    const { error, reason, filename = '', lineno: line = 0, colno: column = 0 } = event;
    const name = (error ?? reason)?.name ?? '';
    const file = /[\w.-]+\.m?js(?=\?|$)/.exec(filename)?.[0];
    track('error', 'client_error', {
      label: /^\w{1,64}$/.test(name) ? name : 'Error',
      ...(file && { metadata: { file, line, column } }),
    });
  }

  for (const event of seen.splice(0)) note(event);
  seen.push = (...events) => {
    for (const event of events) note(event);
    return 0;
  };
}
