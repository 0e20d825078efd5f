import { delayMs, type Outcome, outcomeOf, type Rejection } from './outcome.js';
import type { Queue } from './queue.js';
import type { Turn } from './tab.js';
import type { Transport } from './transport.js';
import type { Delivery } from './types.js';

/** What a batch may measure before compression: well under what the gateway takes. */
const BATCH_BYTES = 500_000;
const ENVELOPE_BYTES = 64;
/** What the gateway takes at once. */
const MOST_EVENTS = 500;
/** Longer than anything is held; who ends it sends. As long as a timer can be set, about. */
const HELD_MS = 2e9;

/** What happened to events, for the store. */
export interface Report {
  state?: Delivery;
  accepted?: number;
  rejected?: Rejection[];
  /** The gateway holds an opt-out of this person. */
  optedOut?: boolean;
}

/** Empties queues into the gateway, one request at a time; a page that leaves sends beside that. */
export interface DeliveryLoop {
  /** Sends what is in the queue until it is empty or has to wait; nothing where it is too early for a try. */
  drain: (queue: Queue) => Promise<void>;
  /** What is not on its way yet, at once, as far as it fits into what a leaving page may send. */
  leave: (queue: Queue) => void;
  /** Milliseconds until the next try, very many while something else must come first; 0 where no try failed. */
  due: () => number;
  /** Nothing is sent while something else must come first: one more such thing, or one less. */
  hold: (more: 1 | -1) => void;
  /** There may be a way to the gateway again. What the gateway itself asked for stands. */
  online: () => void;
  /** The next batch makes contact first, as for a new person. */
  strangers: () => void;
}

/** Batches go when it is their `turn` among all tabs: together, but not while somebody makes contact or is forgotten. */
export function createDelivery(
  transport: Transport,
  batchSize: number,
  turn: Turn,
  report: (report: Report) => void,
): DeliveryLoop {
  const inFlight = new Set<string>();
  let failures = 0;
  /** When a failed try is due again; 0 from when that begins. Not told by the clock: it ticks between two looks. */
  let notBefore = 0;
  let unreachable = false;
  let held = 0;
  let known = false;
  let line = Promise.resolve();

  const wait = () => (held ? HELD_MS : notBefore - Date.now());

  function failed(outcome: Outcome): void {
    notBefore = Date.now() + delayMs(outcome, ++failures, Math.random());
    unreachable = outcome.kind === 'unreachable';
    report({ state: unreachable ? 'unreachable' : 'waiting' });
  }

  /**
   * Lets the gateway give this browser its cookie before any event goes. A first batch whose answer is lost would
   * otherwise be repeated under another id, and count for two people; so would the first batches of two tabs.
   */
  async function contact(): Promise<void> {
    const response = await transport.call('POST', 'identity');
    const answer = response?.ok && (await response.json().catch(() => null));
    if (typeof answer?.optedOut !== 'boolean') {
      failed(await outcomeOf(response, Date.now()));
    } else {
      known = true;
      report({ optedOut: answer.optedOut });
    }
  }

  function take(queue: Queue, count: number, leaving: boolean): Map<string, string> {
    let bytes = leaving ? transport.room() - ENVELOPE_BYTES : BATCH_BYTES;
    const batch = new Map<string, string>();
    // Another tab may have deleted everything since.
    queue.refresh();
    for (const [key, json] of queue.events) {
      if (batch.size === count) break;
      if (inFlight.has(key)) continue;
      bytes -= new Blob([json]).size + 1;
      if (bytes < 0 && (leaving || batch.size)) break;
      batch.set(key, json);
    }
    return batch;
  }

  /** One request; what the gateway decided on leaves the queue. */
  async function send(queue: Queue, batch: Map<string, string>, leaving: boolean): Promise<Outcome> {
    const go = () => transport.events(batch.values(), leaving);
    let outcome: Outcome;
    for (const key of batch.keys()) inFlight.add(key);
    try {
      outcome = await (leaving ? go() : turn('shared', go));
    } finally {
      for (const key of batch.keys()) inFlight.delete(key);
    }
    if (outcome.kind === 'answered') {
      failures = 0;
      queue.remove(batch.keys());
      report({
        accepted: outcome.accepted,
        rejected: outcome.rejected,
        optedOut: outcome.rejected.some(({ code }) => code === 'opted_out'),
      });
    } else if (outcome.kind === 'split' && batch.size === 1) {
      queue.remove(batch.keys());
      report({ rejected: [{ index: 0, code: 'too_large', message: 'too large' }] });
    } else if (outcome.kind !== 'split') {
      failed(outcome);
    }
    return outcome;
  }

  async function empty(queue: Queue): Promise<void> {
    let size = batchSize;
    // A timer may ring early by a fraction.
    if (wait() > 0) return;
    notBefore = 0;
    // Also with nothing to send: a page that leaves soon has no time for it.
    if (!known) await turn('exclusive', contact);
    while (known && queue.events.size && wait() <= 0) {
      report({ state: 'sending' });
      const batch = take(queue, size, false);
      if (!batch.size) return;
      const outcome = await send(queue, batch, false);
      if (outcome.kind === 'split') size = Math.max(1, batch.size >> 1);
    }
  }

  return {
    drain(queue) {
      // A listener of the store may throw; the next drain must come all the same.
      line = line.then(() => empty(queue)).catch(() => {});
      return line;
    },
    leave(queue) {
      if (!known || wait() > 0) return;
      const batch = take(queue, MOST_EVENTS, true);
      if (batch.size) void send(queue, batch, true);
    },
    due: () => (held || notBefore ? Math.max(1, wait()) : 0),
    hold(more) {
      held += more;
    },
    online() {
      if (unreachable) notBefore = failures = 0;
    },
    strangers() {
      known = false;
    },
  };
}
