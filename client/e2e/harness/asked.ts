import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';

/** An event as it was sent. */
export interface Sent {
  eventId: string;
  sessionId: string;
  timestamp: string;
  category: string;
  action: string;
  label?: string;
  value?: number;
  metadata?: Record<string, string | number | boolean>;
}

/** One request to the gateway, as it went over the wire. */
export class Asked {
  /** When it had arrived in full, in milliseconds since 1970. */
  readonly at = Date.now();
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The events of a batch; empty for other requests. */
  readonly events: Sent[];
  /** What was answered, by the gateway or by the relay; nothing for a lost request. */
  status: number | undefined;
  /** What the relay did to it. */
  fault: string | undefined;
  /** Whether the page gave up, or went, before it had the whole answer. */
  abandoned = false;

  constructor(
    incoming: IncomingMessage,
    readonly body: Buffer,
  ) {
    this.method = incoming.method ?? '';
    this.path = incoming.url ?? '';
    this.headers = incoming.headers;
    this.events = eventsOf(this.headers, body);
  }

  describe(): string {
    const how = this.fault === undefined ? '' : ` (${this.fault})`;
    return `${this.method} ${this.path} ${this.events.length} events, ${this.body.length} B → ${this.status}${how}`;
  }
}

function eventsOf(headers: IncomingHttpHeaders, body: Buffer): Sent[] {
  if (body.length === 0) return [];
  const text = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  return (JSON.parse(text.toString('utf8')) as { events?: Sent[] }).events ?? [];
}
