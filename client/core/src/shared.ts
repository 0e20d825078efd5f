import type { PersistStorage } from 'zustand/middleware';
import type { Choice } from './consent.js';
import { emptyHistory, type History, join, readHistory } from './history.js';
import type { Session } from './session.js';

/** What all tabs of a browser share, under one key of storage. */
export interface Shared {
  choice: Choice;
  session: Session | null;
  history: History;
}

export const nothingShared = (): Shared => ({
  choice: { off: false, at: 0, told: true },
  session: null,
  history: emptyHistory(),
});

/** What two tabs know together; whoever joins what with what, and how often, comes to the same. */
export function joinShared(a: Shared, b: Shared): Shared {
  return {
    choice: latest(a, b, ({ choice }) => [choice.at, choice.off, choice.told]).choice,
    // First by epoch: what was erased takes its session along.
    session: latest(a, b, ({ history, session }) => [
      history.epoch,
      session && [session.lastAt, session.id, session.ended, session.nextId],
    ]).session,
    history: join(a.history, b.history),
  };
}

/** Compared as text, which for moments of the same number of digits is their order; 0 comes before all. */
const latest = (a: Shared, b: Shared, rank: (shared: Shared) => unknown[]): Shared =>
  `${rank(a)}` < `${rank(b)}` ? b : a;

/** Zustand's storage for it. Tabs write without asking, so each write joins what is there already. Never throws. */
export function sharedStorage(storage: Storage): PersistStorage<Shared> {
  let lastRead = '';

  function read(name: string): Shared | undefined {
    try {
      lastRead = storage.getItem(name) || '';
      const { state } = JSON.parse(lastRead);
      return joinShared(nothingShared(), { ...state, history: readHistory(state.history) });
    } catch {
      return undefined;
    }
  }

  return {
    getItem(name) {
      const state = read(name);
      return state ? { state, version: 0 } : null;
    },
    setItem(name, { state }) {
      try {
        const others = storage.getItem(name) === lastRead ? undefined : read(name);
        const text = JSON.stringify({ state: others ? joinShared(others, state) : state, version: 0 });
        storage.setItem(name, text);
        lastRead = text;
      } catch {
        // Full: the next write that fits brings it all.
      }
    },
    removeItem() {},
  };
}
