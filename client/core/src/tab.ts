import { keysOf, openQueue, type Queue } from './queue.js';
import { uuid } from './uuid.js';

/**
 * One life of a page, with a queue of its own. It holds a Web Lock as long as it lives, so that others know whose
 * queues are left behind.
 */
export interface Tab {
  id: string;
  queue: Queue;
  /** Settles when the queue is this page's alone; before, another page may just be taking what it wrote. */
  owned: Promise<void>;
  isOwned: boolean;
  /** Leaves the queue to whoever comes. */
  release: () => void;
}

/** Runs something when it is this page's turn among all pages of the browser: alone, or with others that share. */
export type Turn = <T>(mode: LockMode, run: () => Promise<T>) => Promise<T>;

export interface Tabs {
  open: () => Tab;
  /** Empties, one after the other, the queues whose pages are gone. */
  adopt: (own: Tab, drain: (queue: Queue) => Promise<unknown>) => Promise<void>;
  turn: Turn;
  /** Drops what waits in this browser. */
  clear: () => void;
}

/** Where a browser has no locks: whoever asks gets it. */
const NO_LOCKS = {
  // Later, as with real locks.
  request: async (_: string, ...rest: unknown[]) =>
    Promise.resolve(true).then(rest.at(-1) as (lock: unknown) => unknown),
} as LockManager;

export function createTabs(
  storage: Storage,
  realLocks: LockManager | undefined,
  name: string,
  maxQueued: number,
): Tabs {
  const locks = realLocks ?? NO_LOCKS;
  const prefix = `${name}:`;
  const queues = new Set<Queue>();
  let adopted = false;
  /** Settles when the page's present life is over. */
  let gone: Promise<void>;

  function queueOf(id: string): Queue {
    const queue = openQueue(storage, `${prefix}${id}:`, maxQueued);
    queues.add(queue);
    return queue;
  }

  return {
    open() {
      const id = uuid().slice(0, 8);
      const queue = queueOf(id);
      let free = () => {};
      const over = new Promise<void>((resolve) => {
        free = resolve;
      });
      gone = over;
      const tab: Tab = {
        id,
        queue,
        isOwned: false,
        owned: new Promise<void>((resolve) => {
          const own = () => {
            queue.refresh();
            tab.isOwned = true;
            resolve();
            return over;
          };
          // A document that is not fully active is refused a lock; then it is as in a browser without.
          locks.request(prefix + id, own).catch(own);
        }),
        release() {
          tab.isOwned = false;
          free();
          queues.delete(queue);
          // What is on its way may still be answered; nothing more is sent from here.
          queue.letGo();
        },
      };
      return tab;
    },

    async adopt(own, drain) {
      // Without locks nobody knows who lives. The gateway drops what comes twice, and once per page is enough.
      if (adopted && !realLocks) return;
      adopted = true;
      for (const id of new Set(keysOf(storage, prefix).map((key) => key.slice(prefix.length).slice(0, 8)))) {
        if (id === own.id) continue;
        await new Promise((done) => {
          const take = async (lock: Lock | null) => {
            const queue = lock && queueOf(id);
            if (queue) {
              await drain(queue);
              queues.delete(queue);
            }
            done(0);
            // Kept once the queue is empty: other tabs may see for a while what is no longer there.
            return queue?.events.size || gone;
          };
          locks.request(prefix + id, { ifAvailable: true }, take).catch(done);
        });
      }
    },

    turn: (mode, run) => locks.request(name, { mode }, run),

    clear() {
      for (const queue of queues) queue.remove([...queue.events.keys()]);
      for (const key of keysOf(storage, prefix)) storage.removeItem(key);
    },
  };
}
