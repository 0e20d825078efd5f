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
  /** When that answer was on its way, in milliseconds since 1970. */
  answeredAt: number | undefined;
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

  /** Whether a page that may be gone at any moment sent it: then nobody may be left to hear the answer. */
  get leaving(): boolean {
    return this.headers['content-type'] === 'text/plain';
  }

  get labels(): string[] {
    return this.events.flatMap(({ label }) => label ?? []);
  }

  /** Resolves nothing for its page: it was failed on purpose, given up, or sent by a page that went. */
  get uncertain(): boolean {
    return this.fault !== undefined || this.abandoned || this.leaving;
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
