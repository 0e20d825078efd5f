import type { StoreApi } from 'zustand/vanilla';
import type { Choice } from './consent.js';
import type { BatchOfTelemetryEvents, LabelRequired } from './events.gen.js';
import type { History } from './history.js';
import type { Session } from './session.js';

/** One event as the gateway takes it. */
export type AnyEvent = BatchOfTelemetryEvents['events'][number];
export type Category = AnyEvent['category'];
export type Action<C extends Category = Category> = Extract<AnyEvent, { category: C }>['action'];

/** What an event may say beyond its name. Never anything that tells who somebody is. */
export interface Detail {
  /** At most 128 characters; for `maestro_selected` the maestro as a slug such as `archimede`. */
  label?: string;
  /** Any finite number: seconds, a score, milliseconds. */
  value?: number;
  /** At most 16 entries; names of at most 64, texts of at most 256 characters. */
  metadata?: Record<string, string | number | boolean>;
}

/** The detail of an action: optional, but for actions that mean nothing without a label. */
export type DetailOf<A> = A extends LabelRequired ? [detail: Detail & { label: string }] : [detail?: Detail];

export type Track = <C extends Category, A extends Action<C>>(
  category: C,
  action: A,
  ...detail: DetailOf<A>
) => void;

export interface TelemetryOptions {
  /** Where the gateway is, e.g. `https://telemetry.example.org`; empty for the page's own origin. */
  endpoint?: string;
  /** Milliseconds between batches, 30 000 unless told; can be changed while running. */
  flushIntervalMs?: number;
  /** So many waiting events are sent at once, without waiting for the interval; also the largest batch. */
  batchSize?: number;
  /** The most events a tab keeps while it cannot send; beyond, the oldest go. */
  maxQueued?: number;
  /** One of the gateway's write keys, where it asks for one. */
  writeKey?: string;
  /** Whether `Sec-GPC` and `DNT` count as "no": true unless told, as in the gateway. */
  respectBrowserSignals?: boolean;
  /** Whether to send `page_load` and `interaction_time` (LCP and INP, by web-vitals): true unless told. */
  webVitals?: boolean;
  /** Whether to send uncaught errors as `client_error`, without their message: true unless told. */
  captureErrors?: boolean;
  /** Prefix of everything kept in storage; two clients of one name on a page are one. */
  name?: string;
}

/** How sending goes: nothing to do, under way, waiting for another try, or no gateway in reach. */
export type Delivery = 'idle' | 'sending' | 'waiting' | 'unreachable';

/** What the store holds, beside the actions. */
export interface TelemetryData {
  /** Whether events are taken and sent. */
  enabled: boolean;
  /** Whether the browser says no for its user (GPC or DNT) and that is respected; `enabled` is then false. */
  browserSignal: boolean;
  /** Events of this page that wait for an answer. */
  pending: number;
  /** Events answered since the page was loaded: counted by the server … */
  accepted: number;
  /** … refused by it for good … */
  rejected: number;
  /** … and given up because storage or queue was full. */
  dropped: number;
  delivery: Delivery;
  flushIntervalMs: number;
  /** What somebody chose, and when. */
  choice: Choice;
  session: Session | null;
  /** What happened in this browser in the last days; `localStatistics` reads it. */
  history: History;
}

export interface TelemetryActions {
  /** Notes an event. Never throws and never waits; it is on disk when it returns. */
  track: Track;
  /** Sends what waits, now. Settles when that has been tried; never rejects. */
  flush: () => Promise<void>;
  /** Switches telemetry off (what waits is dropped, requests are aborted) or on again, in all tabs. */
  setEnabled: (enabled: boolean) => void;
  setFlushInterval: (milliseconds: number) => void;
  /** Erases everything about this person, here and at the server. Rejects with what to do if that fails. */
  deleteMyData: () => Promise<void>;
  /** Ends listeners and timers; what waits stays in storage for the next page. */
  stop: () => void;
}

export type TelemetryState = TelemetryData & TelemetryActions;

/** A Zustand store that also carries its actions: `telemetry.track(…)`. */
export type Telemetry = StoreApi<TelemetryState> & TelemetryActions & { readonly endpoint: string };

/** The four numbers, of a day or a range. */
export interface Totals {
  /** Sessions started. */
  sessions: number;
  /** Study time of those sessions, in minutes, rounded to hundredths. */
  studyMinutes: number;
  /** `message_sent`. */
  questions: number;
  /** `page_view`. */
  pageViews: number;
}

/** One calendar day, `YYYY-MM-DD`. */
export interface Day extends Totals {
  date: string;
  flashcards: number;
  quizzes: number;
  mindMaps: number;
}

export type Feature = 'flashcards' | 'quizzes' | 'mind_maps';
export type ComponentName = 'active_days' | 'study_minutes' | 'learning_actions' | 'distinct_features';

/** One part of the score: points = weight · min(1, value / target), rounded to hundredths. */
export interface ScoreComponent {
  name: ComponentName;
  value: number;
  target: number;
  weight: number;
  points: number;
}

/**
 * Statistics of calendar days: what `GET /api/telemetry/stats` answers, and what this browser computes by itself
 * by the same rules.
 */
export interface Statistics {
  range: { from: string; to: string; days: number; timeZone: string };
  generatedAt: string;
  totals: Totals;
  /** Every day of the range, zeros included; the last is today. */
  days: Day[];
  features: { feature: Feature; count: number }[];
  /** Over the last seven days, today included. */
  score: { score: number; days: number; components: ScoreComponent[] };
}
