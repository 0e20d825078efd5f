import type { Day, Statistics, Telemetry, TelemetryState } from '@convergio/telemetry';
import type { Fetch } from '@convergio/telemetry-react';
import { act, cleanup, render } from '@testing-library/react';
import { afterEach, beforeEach, vi } from 'vitest';
import { createStore } from 'zustand/vanilla';

/** What the tests of the page share: a telemetry, a server, and numbers they agree on. */

export const NOW = new Date('2026-05-07T08:32:00Z');

const NOTHING = { sessions: 0, studyMinutes: 0, questions: 0, pageViews: 0 };

function day(date: string, numbers: Partial<Day> = {}): Day {
  return { date, ...NOTHING, flashcards: 0, quizzes: 0, mindMaps: 0, ...numbers };
}

/** A week with 65 minutes on Monday; `today` is Thursday. */
export function week(today: Partial<Day> = {}): Statistics {
  const days = [
    day('2026-05-01', { sessions: 1, studyMinutes: 12 }),
    day('2026-05-02'),
    day('2026-05-03'),
    day('2026-05-04', { sessions: 2, studyMinutes: 64.8, questions: 4, flashcards: 20 }),
    day('2026-05-05'),
    day('2026-05-06'),
    day('2026-05-07', { sessions: 3, studyMinutes: 45, questions: 7, pageViews: 1234, quizzes: 2, ...today }),
  ];
  const sum = (read: (of: Day) => number) => days.reduce((total, of) => total + read(of), 0);
  return {
    range: { from: '2026-05-01', to: '2026-05-07', days: 7, timeZone: 'Europe/Rome' },
    generatedAt: NOW.toISOString(),
    totals: {
      sessions: sum((of) => of.sessions),
      studyMinutes: sum((of) => of.studyMinutes),
      questions: sum((of) => of.questions),
      pageViews: sum((of) => of.pageViews),
    },
    days,
    features: [
      { feature: 'flashcards', count: 20 },
      { feature: 'quizzes', count: 2 },
      { feature: 'mind_maps', count: 0 },
    ],
    score: {
      score: 62,
      days: 7,
      components: [
        { name: 'active_days', value: 3, target: 5, weight: 25, points: 15 },
        { name: 'study_minutes', value: 45, target: 150, weight: 35, points: 10.5 },
        { name: 'learning_actions', value: 22, target: 40, weight: 25, points: 13.75 },
        { name: 'distinct_features', value: 3, target: 5, weight: 15, points: 9 },
      ],
    },
  };
}

export function emptyWeek(): Statistics {
  const { range, generatedAt, days, features, score } = week();
  return {
    range,
    generatedAt,
    totals: NOTHING,
    days: days.map(({ date }) => day(date)),
    features: features.map(({ feature }) => ({ feature, count: 0 })),
    score: {
      score: 0,
      days: 7,
      components: score.components.map((component) => ({ ...component, value: 0, points: 0 })),
    },
  };
}

/** A store as the core makes it, but for tracking and sending. */
export function telemetry(state: Partial<TelemetryState> = {}): Telemetry {
  const store = createStore<TelemetryState>()((set) => ({
    enabled: true,
    browserSignal: false,
    pending: 0,
    accepted: 0,
    rejected: 0,
    dropped: 0,
    delivery: 'idle',
    flushIntervalMs: 30_000,
    choice: { off: false, at: 0 },
    session: null,
    history: {} as TelemetryState['history'],
    track: vi.fn(),
    flush: async () => {},
    setEnabled: (enabled) => set({ enabled }),
    setFlushInterval: (flushIntervalMs) => set({ flushIntervalMs }),
    deleteMyData: async () => {},
    stop: () => {},
    ...state,
  }));
  return { ...store, ...store.getState(), endpoint: 'https://telemetry.example.org' };
}

export interface Server {
  fetch: Fetch;
  /** What it is asked, in order. */
  requests: { url: URL; init: RequestInit }[];
  /** What it answers from now on. */
  answer: () => Response | Promise<Response>;
}

/** A server of statistics, reached by `fetch`; a request that is aborted rejects as the browser's would. */
export function server(answer: Server['answer'] = () => Response.json(week())): Server {
  const self: Server = {
    answer,
    requests: [],
    fetch: (url, init) => {
      self.requests.push({ url: new URL(url), init });
      return new Promise((resolve, reject) => {
        init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
        Promise.resolve().then(self.answer).then(resolve, reject);
      });
    },
  };
  return self;
}

export const unreachable = (): Promise<Response> => Promise.reject(new TypeError('Failed to fetch'));
export const silent = (): Promise<Response> => new Promise(() => {});

export function setOnline(online: boolean): void {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(online);
  act(() => void window.dispatchEvent(new Event(online ? 'online' : 'offline')));
}

export function setVisible(visible: boolean): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(visible ? 'visible' : 'hidden');
  act(() => void document.dispatchEvent(new Event('visibilitychange')));
}

/** Renders, and waits until what was asked for at once has been answered. */
export async function show(page: React.ReactElement): Promise<ReturnType<typeof render>> {
  const rendered = render(page);
  await settle();
  return rendered;
}

export async function settle(): Promise<void> {
  // A macrotask comes after every promise that is ready now.
  await act(() => new Promise((resolve) => setImmediate(resolve)));
}

/** The document is left as it was found; call it once in each file of tests. */
export function cleanStage(): void {
  beforeEach(() => {
    document.documentElement.lang = 'en';
  });
  afterEach(() => {
    cleanup();
    vi.useRealTimers();
  });
}
