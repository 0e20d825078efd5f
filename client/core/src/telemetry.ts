import { persist } from 'zustand/middleware';
import { createStore } from 'zustand/vanilla';
import { browserSaysNo, cookieSaysOff, writeCookie } from './consent.js';
import { createDelivery, type Report } from './delivery.js';
import { emptyHistory } from './history.js';
import { watchPage } from './page.js';
import { NO_STORAGE } from './queue.js';
import { type Noted, note } from './recorder.js';
import { isOver } from './session.js';
import { joinShared, nothingShared, type Shared, sharedStorage } from './shared.js';
import { createTabs } from './tab.js';
import { createTransport } from './transport.js';
import type { Telemetry, TelemetryActions, TelemetryOptions, TelemetryState } from './types.js';

/** What a page gives; a server has only some of it. */
export type Browser = Window & typeof globalThis;

const NAME = 'convergio';

/**
 * The telemetry of a page: a Zustand store that notes events, keeps them until the gateway has decided on each, and
 * sends them in batches.
 *
 * Asked again on the same page (React's StrictMode, a reloaded module) it gives the same one. On a server it does
 * nothing and takes no harm.
 */
export function createTelemetry(
  options: TelemetryOptions = {},
  browser: Browser = globalThis as Browser,
): Telemetry {
  const place = Symbol.for(`${options.name ?? NAME} telemetry`);
  const page = browser as unknown as Record<symbol, Telemetry | undefined>;
  // A server's pages have nothing to share.
  if (!browser.document) return build(options, browser);
  page[place] ??= build(options, browser, () => delete page[place]);
  return page[place];
}

function build(options: TelemetryOptions, browser: Browser, forget?: () => void): Telemetry {
  const { name = NAME, batchSize = 50, maxQueued = 1000, flushIntervalMs = 30_000 } = options;
  const { respectBrowserSignals = true, captureErrors = true, webVitals = true } = options;
  const endpoint = options.endpoint?.replace(/\/$/, '') ?? '';
  const { document, navigator } = browser;
  const browserSignal = respectBrowserSignals && browserSaysNo(navigator);
  const storage = storageOf(browser);
  const listening = new AbortController();
  const transport = createTransport(browser, endpoint, options.writeKey);
  // Who may not keep anything may not have locks either.
  const locks = storage === NO_STORAGE ? undefined : navigator.locks;
  const tabs = createTabs(storage, locks, name, maxQueued);
  const delivery = createDelivery(transport, batchSize, tabs.turn, tell);
  let tab = tabs.open();
  let ticking: number | undefined;
  let retrying: number | undefined;
  let telling = Promise.resolve();

  const actions: TelemetryActions = {
    track(category, action, ...[detail]) {
      if (!get().enabled || !document) return;
      try {
        const now = Date.now();
        const { session } = get();
        // Another tab may have gone on with it while this one slept.
        if (!session || isOver(session, now)) void store.persist.rehydrate();
        keep(note(get(), tab.id, now, [category, action, detail]));
        if (get().pending >= batchSize) void flush();
      } catch (error) {
        console.warn('telemetry:', error);
      }
    },

    flush,

    setEnabled(enabled) {
      if (browserSignal || !document) return;
      choose(!enabled);
      tellChoice();
    },

    setFlushInterval(flushIntervalMs) {
      set({ flushIntervalMs });
      tickEvery(flushIntervalMs);
    },

    async deleteMyData() {
      delivery.hold(1);
      tabs.clear();
      try {
        // After what is on its way, in any tab: it would come back with it.
        const response = await tabs.turn('exclusive', () => transport.call('DELETE', 'me'));
        // 401: there is no cookie, so the server knows nobody to forget.
        if (!response?.ok && response?.status !== 401) {
          throw new Error(`not deleted (${response?.status ?? 'no answer'})`);
        }
        drop();
        delivery.strangers();
        const { epoch } = get().history;
        set({ history: emptyHistory(Math.max(Date.now(), epoch + 1)), session: null });
      } finally {
        resume();
      }
    },

    stop() {
      listening.abort();
      browser.clearInterval(ticking);
      browser.clearTimeout(retrying);
      tab.release();
      forget?.();
      set({ enabled: false });
    },
  };

  const store = createStore<TelemetryState>()(
    persist(
      (): TelemetryState => ({
        ...nothingShared(),
        enabled: !browserSignal,
        browserSignal,
        pending: 0,
        accepted: 0,
        rejected: 0,
        dropped: 0,
        delivery: 'idle',
        flushIntervalMs,
        ...actions,
      }),
      {
        name,
        storage: sharedStorage(storage),
        partialize: ({ choice, session, history }): Shared => ({ choice, session, history }),
        merge: (stored, state) => (stored ? { ...state, ...joinShared(state, stored as Shared) } : state),
      },
    ),
  );
  const { getState: get, setState: set } = store;

  /** On disk first; then the store says so. */
  function keep({ session, history, events }: Noted): void {
    let { dropped } = get();
    for (const json of events) dropped += tab.queue.append(json);
    set({ session, history, dropped, pending: tab.queue.events.size });
  }

  function tell({ state, accepted = 0, rejected = [], optedOut }: Report): void {
    if (rejected[0]) console.warn('telemetry:', rejected);
    set((now) => ({
      pending: tab.queue.events.size,
      accepted: now.accepted + accepted,
      rejected: now.rejected + rejected.length,
      ...(state && { delivery: state }),
    }));
    if (optedOut) choose(true, true);
  }

  async function flush(): Promise<void> {
    if (!get().enabled || !document) return;
    try {
      await tab.owned;
      await delivery.drain(tab.queue);
      if (!delivery.due()) await tabs.adopt(tab, async (queue) => delivery.due() || delivery.drain(queue));
    } catch {
      // No lock for a page that has just been left.
    }
    browser.clearTimeout(retrying);
    const due = delivery.due();
    if (!due) set({ delivery: 'idle' });
    else retrying = browser.setTimeout(flush, due);
  }

  function choose(off: boolean, told = false): void {
    const at = Math.max(Date.now(), get().choice.at + 1);
    set({ choice: { off, at, told }, enabled: !off });
    if (cookieSaysOff(document) !== off) writeCookie(document, off);
    if (off) drop();
  }

  /** Events wait until the gateway knows. One call at a time: of two answers the later would leave its cookie. */
  function tellChoice(): void {
    if (get().choice.told) {
      void flush();
      return;
    }
    delivery.hold(1);
    telling = telling.then(async () => {
      const { choice } = get();
      if (!choice.told) {
        const response = await transport.call('POST', 'consent', JSON.stringify({ optOut: choice.off }));
        if (response?.ok && get().choice === choice) set({ choice: { ...choice, told: true } });
      }
      resume();
    });
  }

  function drop(): void {
    transport.abort();
    tabs.clear();
    set({ pending: 0, delivery: 'idle' });
  }

  function resume(): void {
    delivery.hold(-1);
    void flush();
  }

  function tickEvery(milliseconds: number): void {
    browser.clearInterval(ticking);
    ticking = browser.setInterval(() => {
      const ended = note(get(), tab.id, Date.now());
      if (get().enabled && ended.events[0]) keep(ended);
      void flush();
    }, milliseconds);
  }

  /** Another tab has changed what is shared. */
  function catchUp(): void {
    const before = get();
    void store.persist.rehydrate();
    const { choice, history } = get();
    if (history.epoch > before.history.epoch) {
      drop();
      delivery.strangers();
    }
    const enabled = !browserSignal && !choice.off;
    if (enabled === before.enabled) return;
    set({ enabled });
    if (enabled) void flush();
    else drop();
  }

  function start(): void {
    // Either alone says no: browsers and people delete one without the other.
    const { choice } = get();
    if (choice.off || cookieSaysOff(document)) choose(true, choice.off && choice.told);
    watchPage(
      browser,
      name,
      listening.signal,
      () => {
        if (get().enabled && tab.isOwned) delivery.leave(tab.queue);
      },
      () => tab.release(),
      () => {
        tab.release();
        tab = tabs.open();
        catchUp();
        void flush();
      },
      () => {
        delivery.online();
        tellChoice();
      },
      catchUp,
    );
    if (browserSignal) return;
    tickEvery(flushIntervalMs);
    if (captureErrors || webVitals) observe();
    tellChoice();
  }

  /** The code for it is loaded afterwards; what goes wrong until then waits for it. */
  function observe(): void {
    const errors: Event[] = [];
    for (const type of captureErrors ? ['error', 'unhandledrejection'] : []) {
      browser.addEventListener(type, (event) => void errors.push(event), { signal: listening.signal });
    }
    import('./observers.js')
      .then(({ observeErrors, observeVitals }) => {
        if (webVitals) observeVitals(actions.track);
        observeErrors(actions.track, errors);
      })
      .catch(() => {});
  }

  if (document) start();
  return Object.assign(store, actions, { endpoint });
}

function storageOf(browser: Browser): Storage {
  try {
    // Reading the property throws where cookies are blocked.
    return (browser.document && browser.localStorage) || NO_STORAGE;
  } catch {
    return NO_STORAGE;
  }
}
