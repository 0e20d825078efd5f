import type { AnyEvent } from '../../src/types.js';

/** What can go wrong with one request. */
export type Fault =
  | 'none'
  | 'request lost'
  | 'answer lost'
  | 'unavailable'
  | 'rate limited'
  | 'too large'
  | 'hangs'
  | 'stalls'
  | 'captive portal';

export interface Request {
  path: string;
  method: string;
  body: string;
  user: string | undefined;
  at: number;
}

/** Answers as the gateway does, and keeps the books: what it stored of whom, and what came twice. */
export class Gateway {
  /** By user and event id: how often it arrived. */
  readonly arrivals = new Map<string, number>();
  readonly stored = new Map<string, AnyEvent & { user: string }>();
  readonly requests: Request[] = [];
  fault: Fault = 'none';
  retryAfter = '2';
  /** Bodies longer than that are too large. */
  largest = Number.POSITIVE_INFINITY;
  /** Labels of events it refuses for good. */
  readonly refused = new Set<string>();
  private users = 0;

  /** The answer, and the user the browser is from now on; undefined for no answer at all. */
  handle(request: Request): { response: Response; user?: string } | undefined {
    const { fault } = this;
    if (fault === 'request lost' || fault === 'hangs') return undefined;
    this.requests.push(request);
    if (fault === 'unavailable') return { response: this.later(503) };
    if (fault === 'rate limited') return { response: this.later(429) };
    if (fault === 'captive portal') return { response: new Response('<html>Log in</html>', { status: 200 }) };
    const answer = this.decide(request);
    // An answer that begins, and never ends.
    if (fault === 'stalls') return { response: new Response(new ReadableStream(), { status: 202 }) };
    return fault === 'answer lost' ? undefined : answer;
  }

  private decide({ path, method, body, user }: Request): { response: Response; user?: string } {
    const known = user ?? `user ${++this.users}`;
    if (path.endsWith('/identity')) return { response: Response.json({ optedOut: false }), user: known };
    if (path.endsWith('/consent')) return { response: new Response(null, { status: 204 }) };
    if (method === 'DELETE') {
      for (const [key, event] of this.stored) if (event.user === user) this.stored.delete(key);
      return { response: Response.json({ erasure: 'accepted' }, { status: 202 }), user: '' };
    }
    if (body.length > this.largest) return { response: new Response('', { status: 413 }) };
    const { events } = JSON.parse(body) as { events: AnyEvent[] };
    const rejected = events.flatMap((event, index) =>
      this.refused.has(event.label ?? '')
        ? [{ index, eventId: event.eventId, code: 'invalid_value', message: 'refused' }]
        : [],
    );
    for (const event of events) {
      if (this.refused.has(event.label ?? '')) continue;
      const key = `${known} ${event.eventId}`;
      this.arrivals.set(key, (this.arrivals.get(key) ?? 0) + 1);
      this.stored.set(key, { ...event, user: known });
    }
    const accepted = events.length - rejected.length;
    return { response: Response.json({ accepted, rejected }, { status: accepted ? 202 : 422 }), user: known };
  }

  private later(status: number): Response {
    return new Response('', { status, headers: { 'Retry-After': this.retryAfter } });
  }
}
