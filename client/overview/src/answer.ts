/** What `GET /api/overview` answers; `docs/metrics.md` says what each number means. Moments are RFC 3339. */
export interface Overview {
  generatedAt: string;
  readAt: string;
  stale: boolean;
  timeZone: string;
  activeUsers: { period: string; users: number; dayBefore: number | null }[];
  studyTime: {
    today: number;
    yesterday: number;
    days: { date: string; sessions: number; studyMinutes: number }[];
  };
  features: ({ feature: string } & Pair)[];
  maestros: ({ maestro: string } & Pair)[];
  sinceBeginning: { events: number; sessions: number; studyMinutes: number };
  health: Health;
}

/** Today so far, and yesterday until the same time of day. */
export interface Pair {
  today: number;
  yesterday: number;
}

export interface Health {
  version: string;
  clickhouse: { readable: boolean; readAt: string; seconds: number; failures: number };
  newestEvent: { occurredAt: string; receivedAt: string } | null;
  erasures: { unswept: number; oldestAt: string | null };
  closedDay: string | null;
}

/** Why there are no new numbers. */
export type Trouble =
  /** The exporter wants the operator token. */
  | 'token-missing'
  | 'token-wrong'
  /** The exporter has no operator token to compare with. */
  | 'operators-disabled'
  /** The exporter has not been able to read ClickHouse yet. */
  | 'clickhouse-unavailable'
  | 'rate-limited'
  /** No answer, or one that is none of these. */
  | 'unreachable';

export type Answer =
  | { kind: 'numbers'; overview: Overview; receivedMs: number }
  | { kind: 'trouble'; trouble: Trouble };

/** A request is aborted after this. */
const TIMEOUT_MS = 15_000;
const PROBLEMS: Record<string, Trouble> = {
  'urn:convergio:problem:token-missing': 'token-missing',
  'urn:convergio:problem:token-wrong': 'token-wrong',
  'urn:convergio:problem:operators-disabled': 'operators-disabled',
  'urn:convergio:problem:clickhouse-unavailable': 'clickhouse-unavailable',
  'urn:convergio:problem:rate-limited': 'rate-limited',
};

/** Asks the exporter this page came from. Rejects only if `signal` aborts it. */
export async function ask(token: string | null, signal: AbortSignal): Promise<Answer> {
  // A header is bytes, and the exporter reads them as UTF-8.
  const bytes = token === null ? null : byteString(token);
  // Nothing else can be sent as a header, so it is not the token either.
  if (bytes !== null && !/^[\x20-\x7e\x80-\xff]+$/.test(bytes))
    return { kind: 'trouble', trouble: 'token-wrong' };
  try {
    const response = await fetch('./api/overview', {
      cache: 'no-store',
      // For a proxy in between that knows its users by cookies or certificates.
      credentials: 'same-origin',
      headers: bytes === null ? {} : { Authorization: `Bearer ${bytes}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const body: unknown = await response.json();
    if (response.ok && isOverview(body)) {
      return { kind: 'numbers', overview: body, receivedMs: performance.now() };
    }
    return { kind: 'trouble', trouble: PROBLEMS[typeOf(body)] ?? 'unreachable' };
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: 'trouble', trouble: 'unreachable' };
  }
}

/** A character for each byte of the text in UTF-8. */
function byteString(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
}

/** The exporter that serves this page is of the same version: enough to tell its answer from a proxy's. */
function isOverview(body: unknown): body is Overview {
  return typeof body === 'object' && body !== null && 'activeUsers' in body && 'health' in body;
}

function typeOf(body: unknown): string {
  return typeof body === 'object' && body !== null && 'type' in body ? String(body.type) : '';
}
