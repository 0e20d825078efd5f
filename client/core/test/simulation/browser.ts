import { gunzipSync } from 'node:zlib';
import { createTelemetry } from '../../src/index.js';
import type { Browser } from '../../src/telemetry.js';
import type { Telemetry, TelemetryOptions } from '../../src/types.js';
import type { Gateway } from './gateway.js';
import { Locks } from './locks.js';

const LATENCY_MS = 5;

/** One profile of a browser: storage, cookies and locks that its tabs share. Runs on vitest's fake timers. */
export class SimulatedBrowser {
  readonly items = new Map<string, string>();
  readonly tabs = new Set<Tab>();
  readonly locks = new Locks();
  readonly cookies = new Map<string, string>();
  /** The most characters its storage takes. */
  quota = 5_000_000;
  /** How long other tabs, which are other processes, go on seeing what one has removed. */
  removalLagMs = 0;
  private readonly removed = new Map<Tab, Map<string, string>>();
  user: string | undefined;

  constructor(readonly gateway: Gateway) {}

  open(options: TelemetryOptions = {}, signals: Partial<Navigator> = {}, storage?: 'no storage'): Tab {
    const tab = new Tab(this, options, signals, undefined, storage);
    this.tabs.add(tab);
    tab.start();
    return tab;
  }

  get used(): number {
    let sum = 0;
    for (const [key, value] of this.items) sum += key.length + value.length;
    return sum;
  }

  /** Keys of events that wait. */
  get waiting(): string[] {
    return [...this.items.keys()].filter((key) => key.startsWith('convergio:'));
  }

  storageOf(tab: Tab): Storage {
    const { items } = this;
    const unseen = new Map<string, string>();
    this.removed.set(tab, unseen);
    const keys = () => [...new Set([...unseen.keys(), ...items.keys()])];
    return {
      get length() {
        return keys().length;
      },
      key: (at) => keys()[at] ?? null,
      getItem: (key) => items.get(key) ?? unseen.get(key) ?? null,
      setItem: (key, value) => {
        if (!tab.alive) return;
        const more = value.length - (items.get(key)?.length ?? -key.length);
        if (this.used + more > this.quota) throw new DOMException('full', 'QuotaExceededError');
        items.set(key, value);
        this.tellOthers(tab, key);
      },
      removeItem: (key) => {
        unseen.delete(key);
        const value = items.get(key);
        if (!tab.alive || value === undefined) return;
        items.delete(key);
        this.tellOthers(tab, key);
        for (const other of this.removalLagMs ? this.tabs : []) {
          if (other === tab) continue;
          this.removed.get(other)?.set(key, value);
          setTimeout(() => this.removed.get(other)?.delete(key), this.removalLagMs);
        }
      },
      clear: () => items.clear(),
    };
  }

  private tellOthers(writer: Tab, key: string): void {
    for (const tab of this.tabs) {
      if (tab !== writer) tab.later(1, () => tab.dispatch('storage', { key }));
    }
  }
}

/** A page with the client in it, and what can happen to a page. */
export class Tab {
  alive = true;
  online = true;
  telemetry!: Telemetry;
  /** Requests it has tried. */
  fetches = 0;
  /** What a listener of the document does when it becomes hidden, before the window hears of it. */
  onHidden: () => void = () => {};
  /** Is told of each. */
  onFetch: (url: string, init: RequestInit) => void = () => {};
  private readonly events = new EventTarget();
  private readonly document = { visibilityState: 'visible', location: { protocol: 'http:' } };
  private readonly window: Browser;

  constructor(
    private readonly browser: SimulatedBrowser,
    private readonly options: TelemetryOptions,
    signals: Partial<Navigator>,
    CompressionStream?: typeof globalThis.CompressionStream,
    storage?: 'no storage',
  ) {
    const { cookies } = browser;
    Object.defineProperty(this.document, 'cookie', {
      get: () => [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      set: (text: string) => {
        const [pair = '', ...attributes] = text.split('; ');
        const [name = '', value = ''] = pair.split('=');
        if (attributes.includes('Max-Age=0')) cookies.delete(name);
        else cookies.set(name, value);
      },
    });
    const own = browser.storageOf(this);
    this.window = {
      document: this.document,
      get localStorage() {
        if (storage) throw new DOMException('no', 'SecurityError');
        return own;
      },
      navigator: { locks: browser.locks.of(this), ...signals },
      addEventListener: this.events.addEventListener.bind(this.events),
      setTimeout: (run: () => void, ms: number) => this.later(ms, run),
      setInterval: (run: () => void, ms: number) => setInterval(() => this.alive && run(), ms),
      clearTimeout,
      clearInterval,
      CompressionStream,
      fetch: (url: string, init: RequestInit) => this.fetch(url, init),
    } as unknown as Browser;
  }

  start(): void {
    this.telemetry = createTelemetry({ webVitals: false, ...this.options }, this.window);
  }

  /** Gone without a word, as when the process is killed. */
  crash(): void {
    this.alive = false;
    this.browser.tabs.delete(this);
    this.browser.locks.freeAll(this);
  }

  hide(): void {
    this.document.visibilityState = 'hidden';
    this.onHidden();
    this.dispatch('visibilitychange');
  }

  show(): void {
    this.document.visibilityState = 'visible';
    this.dispatch('visibilitychange');
  }

  close(): void {
    this.leave();
    this.crash();
  }

  /** Into the back/forward cache, and back. */
  leaveAndReturn(): void {
    this.leave();
    this.document.visibilityState = 'visible';
    this.dispatch('pageshow', { persisted: true });
  }

  /** In the order in which browsers tell a page that it goes. */
  private leave(): void {
    this.dispatch('pagehide');
    if (this.document.visibilityState === 'visible') this.hide();
  }

  dispatch(type: string, properties: object = {}): void {
    if (this.alive) this.events.dispatchEvent(Object.assign(new Event(type), properties));
  }

  later(ms: number, run: () => void): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.alive && run(), ms);
  }

  private fetch(url: string, init: RequestInit): Promise<Response> {
    const { browser } = this;
    this.fetches++;
    this.onFetch(url, init);
    const sent = init.body instanceof Uint8Array ? init.body : new TextEncoder().encode(`${init.body ?? ''}`);
    const packed = new Headers(init.headers).get('Content-Encoding') === 'gzip';
    const request = {
      path: url,
      method: init.method ?? 'GET',
      body: new TextDecoder().decode(packed ? gunzipSync(sent) : sent),
      user: browser.user,
      at: Date.now(),
    };
    return new Promise((resolve, reject) => {
      if (!this.alive) return;
      const fail = () => this.later(0, () => reject(new TypeError('Failed to fetch')));
      init.signal?.addEventListener('abort', fail);
      if (!this.online) return fail();
      setTimeout(() => {
        // Requests of a page that is gone go on only if they were told to.
        if (init.signal?.aborted || (!this.alive && !init.keepalive)) return;
        const { fault } = browser.gateway;
        const answer = browser.gateway.handle(request);
        if (!answer) return fault === 'hangs' ? undefined : fail();
        setTimeout(() => {
          if (answer.user !== undefined) browser.user = answer.user || undefined;
          if (!this.alive) return;
          const { response } = answer;
          // What is being read of an answer fails as well when its request is aborted.
          const text = response.text.bind(response);
          const given = new Promise<never>((_, never) => init.signal?.addEventListener('abort', never));
          given.catch(() => {});
          resolve(Object.assign(response, { text: () => Promise.race([text(), given]) }));
        }, LATENCY_MS);
      }, LATENCY_MS);
    });
  }
}
