/**
 * Events that wait, oldest first: in memory, and each under a key of its own in storage. So an event costs one small
 * write, tabs never overwrite each other, and what a dead page left can be read by the next.
 */
export interface Queue {
  /** The events as JSON, by key. */
  readonly events: ReadonlyMap<string, string>;
  /** Keeps an event; returns how many older ones had to go for it. Never throws. */
  append: (json: string) => number;
  remove: (keys: Iterable<string>) => void;
  /** Forgets what another tab has taken out of storage in the meantime. */
  refresh: () => void;
  /** Forgets all that waits, and leaves it in storage to whoever opens the queue next. */
  letGo: () => void;
}

const KEY_WIDTH = 1e9;

/** Where a browser keeps nothing for pages, or will not. */
export const NO_STORAGE: Storage = {
  length: 0,
  key: () => null,
  getItem: () => null,
  setItem() {
    throw new Error();
  },
  removeItem() {},
  clear() {},
};

/** The queue whose keys begin with `prefix`; what is in storage already comes first. */
export function openQueue(storage: Storage, prefix: string, max: number): Queue {
  const events = new Map<string, string>();
  const stored = new Set<string>();
  let next = KEY_WIDTH;

  for (const key of keysOf(storage, prefix).sort()) {
    const json = storage.getItem(key);
    if (json) {
      events.set(key, json);
      stored.add(key);
      next = +key.slice(prefix.length) + 1;
    }
  }

  function remove(keys: Iterable<string>): void {
    for (const key of keys) {
      events.delete(key);
      if (stored.delete(key)) storage.removeItem(key);
    }
  }

  /** Gives up the first of these keys; says whether there was one. */
  function shed([oldest]: Iterable<string>): boolean {
    if (oldest) remove([oldest]);
    return !!oldest;
  }

  return {
    events,
    remove,
    append(json) {
      const key = prefix + next++;
      let gone = 0;
      while (events.size >= max && shed(events.keys())) gone++;
      for (;;) {
        try {
          storage.setItem(key, json);
          stored.add(key);
          break;
        } catch {
          // Full. When nothing of ours is left there, the event lives in memory only.
          if (!shed(stored)) break;
          gone++;
        }
      }
      events.set(key, json);
      return gone;
    },
    refresh() {
      for (const key of stored) {
        if (storage.getItem(key) === null) {
          stored.delete(key);
          events.delete(key);
        }
      }
    },
    letGo: () => events.clear(),
  };
}

/** All keys in storage that begin so. */
export function keysOf(storage: Storage, prefix: string): string[] {
  const keys: string[] = [];
  for (let at = 0; at < storage.length; at++) {
    const key = storage.key(at);
    if (key?.startsWith(prefix)) keys.push(key);
  }
  return keys;
}
