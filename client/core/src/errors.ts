import type { Track } from './types.js';

/** A page whose errors repeat without end tells enough with the first ones. */
const MOST = 10;

/**
 * Notes uncaught errors as `client_error`: the error's class as label and, for a script file, its name and the place.
 * Never the message or the page's address, which may hold what somebody typed.
 */
export function watchErrors(window: Window, track: Track, signal: AbortSignal): void {
  let left = MOST;

  function note(error: unknown, source = '', line = 0, column = 0): void {
    if (left-- < 1) return;
    const name = (error as Error | null)?.name ?? '';
    const file = /[\w.-]+\.m?js(?=\?|$)/.exec(source)?.[0];
    track('error', 'client_error', {
      label: /^\w{1,64}$/.test(name) ? name : 'Error',
      ...(file && { metadata: { file, line, column } }),
    });
  }

  window.addEventListener(
    'error',
    ({ error, filename, lineno, colno }) => note(error, filename, lineno, colno),
    { signal },
  );
  window.addEventListener('unhandledrejection', ({ reason }) => note(reason), { signal });
}
