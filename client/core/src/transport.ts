import { type Outcome, outcomeOf } from './outcome.js';

/** Browsers refuse keepalive requests beyond 64 KiB in flight per page; the rest is the app's. */
const KEEPALIVE_BYTES = 60 * 1024;
/** Below, gzip and its header save nothing worth the work. */
const GZIP_BYTES = 1024;
const TIMEOUT_MS = 30_000;

/** Requests to the gateway. */
export interface Transport {
  /**
   * Sends a batch. With `leaving` at once, not compressed, and so that it outlives the page. Only then: browsers do not
   * end such a request when it is aborted.
   */
  events: (events: Iterable<string>, leaving: boolean) => Promise<Outcome>;
  /** Any other call; undefined where there was no answer. */
  call: (method: string, path: string, body?: string) => Promise<Response | undefined>;
  /** How many bytes of events a leaving page may still send. */
  room: () => number;
  abort: () => void;
}

export function createTransport(
  window: Window & typeof globalThis,
  endpoint: string,
  writeKey: string | undefined,
): Transport {
  const running = new Set<AbortController>();
  let keepaliveBytes = 0;
  let aborts = 0;

  async function request(
    method: string,
    path: string,
    body: BodyInit | null,
    headers: Record<string, string>,
    keepalive: boolean,
  ): Promise<Response | undefined> {
    const controller = new AbortController();
    const timer = window.setTimeout(() => controller.abort(), TIMEOUT_MS);
    running.add(controller);
    try {
      const response = await window.fetch(`${endpoint}/api/telemetry/${path}`, {
        method,
        headers,
        keepalive,
        credentials: 'include',
        signal: controller.signal,
        body,
      });
      // The whole of it, while there is somebody who gives up.
      return new Response((await response.text()) || null, response);
    } catch {
      return undefined;
    } finally {
      window.clearTimeout(timer);
      running.delete(controller);
    }
  }

  return {
    async events(events, leaving) {
      const before = aborts;
      const sentAt = new Date().toISOString();
      let body = new TextEncoder().encode(`{"sentAt":"${sentAt}","events":[${[...events].join()}]}`);
      // Plain text needs no preflight, for which a leaving page has no time.
      const headers: Record<string, string> = { 'Content-Type': leaving ? 'text/plain' : 'application/json' };
      if (writeKey) headers['X-Write-Key'] = writeKey;
      if (!leaving && body.length > GZIP_BYTES && window.CompressionStream) {
        const packed = new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'));
        body = new Uint8Array(await new Response(packed).arrayBuffer());
        headers['Content-Encoding'] = 'gzip';
      }
      if (aborts !== before) return outcomeOf(undefined, 0);
      const bytes = leaving ? body.length : 0;
      keepaliveBytes += bytes;
      const response = await request('POST', 'events', body, headers, leaving);
      keepaliveBytes -= bytes;
      return outcomeOf(response, Date.now());
    },
    call: (method, path, body) =>
      // What somebody decided must arrive even if the page goes.
      request(method, path, body ?? null, body ? { 'Content-Type': 'application/json' } : {}, !!body),
    room: () => KEEPALIVE_BYTES - keepaliveBytes,
    abort() {
      aborts++;
      for (const controller of running) controller.abort();
    },
  };
}
