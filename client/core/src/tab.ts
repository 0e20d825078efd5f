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
  isOwned: () => boolean;
  /** Leaves the queue to whoever comes. */
  release: () => void;
}

export interface Tabs {
  open: () => Tab;
  /** Empties, one after the other, the queues whose pages are gone. */
  adopt: (own: Tab, drain: (queue: Queue) => Promise<void>) => Promise<void>;
  /** Runs what no other tab may do at the same time. */
  alone: <T>(run: () => Promise<T>) => Promise<T>;
  /** Drops what waits in this browser. */
  clear: () => void;
}

/** `storage` and `locks` are undefined where the browser has none, or does not let us. */
export function createTabs(
  storage: Storage | undefined,
  locks: LockManager | undefined,
  name: string,
  maxQueued: number,
): Tabs {
  const prefix = `${name}:`;
  const queues = new Set<Queue>();
  let adopted = false;

  function queueOf(id: string): Queue {
    const queue = openQueue(storage, `${prefix}${id}:`, maxQueued);
    queues.add(queue);
    return queue;
  }

  async function rescue(id: string, drain: (queue: Queue) => Promise<void>): Promise<void> {
    const queue = queueOf(id);
    await drain(queue);
    queues.delete(queue);
  }

  return {
    open() {
      const id = uuid().slice(0, 8);
      const queue = queueOf(id);
      let isOwned = !locks;
      let release = () => {};
      const gone = new Promise<void>((resolve) => {
        release = resolve;
      });
      const owned = new Promise<void>((resolve) => {
        const own = () => {
          queue.refresh();
          isOwned = true;
          resolve();
          return gone;
        };
        if (!locks) void own();
        // A document that is not fully active is refused a lock; then it is as in a browser without.
        else locks.request(prefix + id, own).catch(own);
      });
      return {
        id,
        queue,
        owned,
        isOwned: () => isOwned,
        release() {
          isOwned = false;
          release();
          queues.delete(queue);
          // What is on its way may still be answered; nothing more is sent from here.
          queue.letGo();
        },
      };
    },

    async adopt(own, drain) {
      // Without locks nobody knows who lives. The gateway drops what comes twice, and once per page is enough.
      if (!locks && adopted) return;
      adopted = true;
      const ids = new Set(keysOf(storage, prefix).map((key) => key.slice(prefix.length).split(':')[0]));
      for (const id of ids) {
        if (!id || id === own.id) continue;
        if (!locks) await rescue(id, drain);
        else {
          await locks.request(prefix + id, { ifAvailable: true }, async (lock) => {
            if (lock) await rescue(id, drain);
          });
        }
      }
    },

    alone: (run) => (locks ? locks.request(name, run) : run()),

    clear() {
      for (const queue of queues) queue.remove([...queue.events.keys()]);
      for (const key of keysOf(storage, prefix)) storage?.removeItem(key);
    },
  };
}
