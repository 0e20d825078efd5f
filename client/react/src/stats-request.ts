import type { Statistics } from '@convergio/telemetry';
import { parseStatistics } from './parse-statistics.js';

/** What asking for the statistics came to. */
export type Answer =
  | { kind: 'statistics'; statistics: Statistics }
  /** The server knows nothing of this browser: it has no cookie yet. */
  | { kind: 'newcomer' }
  /** The browser has no network, so nobody was asked. */
  | { kind: 'offline' }
  /** No answer, or one that says to come back later. */
  | { kind: 'unreachable' }
  /** An answer that is not statistics. */
  | { kind: 'unintelligible' };

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** An answer that has not come by then does not come. */
const TIMEOUT_MS = 10_000;

/** Asks the server for the last seven days. Rejects only if `signal` aborts it. */
export async function askForStatistics(
  fetch: Fetch,
  endpoint: string,
  timeZone: string,
  signal: AbortSignal,
): Promise<Answer> {
  if (navigator.onLine === false) return { kind: 'offline' };
  const query = new URLSearchParams({ range: '7d', tz: timeZone });
  const request = new AbortController();
  const abort = () => request.abort();
  const timer = setTimeout(abort, TIMEOUT_MS);
  signal.addEventListener('abort', abort);
  try {
    const response = await fetch(`${endpoint}/api/telemetry/stats?${query}`, {
      credentials: 'include',
      cache: 'no-store',
      headers: { Accept: 'application/json' },
      signal: request.signal,
    });
    if (response.status === 401) return { kind: 'newcomer' };
    if (response.status === 429 || response.status >= 500) return { kind: 'unreachable' };
    const text = await response.text();
    return response.ok ? understand(text) : { kind: 'unintelligible' };
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: 'unreachable' };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function understand(text: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'unintelligible' };
  }
  const statistics = parseStatistics(value);
  return statistics === null ? { kind: 'unintelligible' } : { kind: 'statistics', statistics };
}
