import { EventEmitter } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Asked } from './asked.js';
import { servePage } from './pages.js';

/** What the relay does to one request instead of passing it on. */
export type Fault =
  | { kind: 'answer'; status: number; headers?: Record<string, string> }
  /** The connection is cut; the gateway never sees the request. */
  | { kind: 'lost request' }
  /** The gateway has done what was asked; the page sees nothing but a cut connection. */
  | { kind: 'lost answer' }
  /** Passed on only when `until` settles, and not at all if the page has given up by then. */
  | { kind: 'held'; until: Promise<unknown> };

const API = '/api/';
const EVENTS = '/api/telemetry/events';
const PATIENCE_MS = 20_000;

/**
 * One origin for the page and its gateway, as a load balancer makes it: serves the test pages and passes the
 * rest on. It notes what was asked, and fails as it is told.
 */
export class Relay {
  /** Everything asked of the gateway, in the order it arrived in full. */
  readonly asked: Asked[] = [];
  /** Decides what happens to a request; nothing for most of them. */
  fault: (asked: Asked) => Fault | undefined = () => undefined;
  private readonly changes = new EventEmitter();

  private constructor(
    private readonly server: Server,
    private readonly gateway: URL,
    private readonly pages: string | undefined,
  ) {
    this.changes.setMaxListeners(0);
    server.on('request', (incoming, outgoing) => {
      const work =
        this.pages === undefined || incoming.url?.startsWith(API)
          ? this.relay(incoming, outgoing)
          : servePage(this.pages, incoming, outgoing);
      work.catch(() => outgoing.destroy());
    });
  }

  /** Without `pages` the gateway's own pages are relayed as well. */
  static async start(gateway: string, pages?: string): Promise<Relay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Relay(server, new URL(gateway), pages);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Batches of events that were sent, in order; also those that a fault hit. */
  get batches(): Asked[] {
    return this.asked.filter((asked) => asked.method === 'POST' && asked.path === EVENTS);
  }

  /**
   * Event ids that were sent again although nothing had happened to the batch that carried them first. Starts and
   * ends of sessions are left out: tabs that see the same one make the same event.
   */
  get sentTwice(): string[] {
    const carried = new Map<string, Asked>();
    const twice: string[] = [];
    for (const batch of this.batches) {
      for (const { eventId, action } of batch.events) {
        const before = carried.get(eventId);
        const certain = before && !before.uncertain && !batch.leaving;
        if (certain && !action.startsWith('session_')) twice.push(eventId);
        carried.set(eventId, batch);
      }
    }
    return twice;
  }

  /** Labels that were sent under more than one event id: an event made twice, which nobody could tell apart later. */
  get madeTwice(): string[] {
    const ids = new Map<string, Set<string>>();
    for (const { label, eventId } of this.batches.flatMap((batch) => batch.events)) {
      if (label !== undefined) ids.set(label, (ids.get(label) ?? new Set()).add(eventId));
    }
    return [...ids].filter(([, of]) => of.size > 1).map(([label]) => label);
  }

  /** Settles as soon as `condition` holds. Rejects if it does not within `patienceMs`. */
  until(what: string, condition: () => boolean, patienceMs = PATIENCE_MS): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!condition()) return;
        clearTimeout(late);
        this.changes.off('change', look);
        resolve();
      };
      const late = setTimeout(() => {
        this.changes.off('change', look);
        const seen = this.asked.map((asked) => asked.describe()).join('\n');
        reject(new Error(`not within ${patienceMs / 1000} s: ${what}; the relay saw:\n${seen}`));
      }, patienceMs);
      this.changes.on('change', look);
    });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async relay(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const asked = new Asked(incoming, await bodyOf(incoming));
    outgoing.once('close', () => {
      asked.abandoned = !outgoing.writableFinished;
      this.changes.emit('change');
    });
    this.asked.push(asked);
    this.changes.emit('change');
    const fault = this.fault(asked);
    asked.fault = fault?.kind;
    if (fault?.kind === 'answer') {
      this.answered(asked, fault.status);
      outgoing.writeHead(fault.status, fault.headers).end();
      return;
    }
    if (fault?.kind === 'lost request') {
      outgoing.destroy();
      return;
    }
    if (fault?.kind === 'held') {
      await fault.until;
      if (asked.abandoned) return;
    }
    const answer = await this.ask(asked).catch(() => undefined);
    if (answer === undefined) {
      // As a load balancer says it.
      this.answered(asked, 502);
      outgoing.writeHead(502).end();
      return;
    }
    const body = await bodyOf(answer);
    this.answered(asked, answer.statusCode);
    if (fault?.kind === 'lost answer') {
      outgoing.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(body);
  }

  private answered(asked: Asked, status: number | undefined): void {
    asked.status = status;
    asked.answeredAt = Date.now();
    this.changes.emit('change');
  }

  private ask(asked: Asked): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.gateway;
      const { method, path, headers } = asked;
      request({ hostname, port, method, path, headers }, resolve).once('error', reject).end(asked.body);
    });
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
