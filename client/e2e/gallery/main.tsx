import type { Telemetry, TelemetryState } from '@convergio/telemetry';
import { type Locale, StatisticsPage } from '@convergio/telemetry-react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createStore } from 'zustand/vanilla';
import { answer, counted, STATES, type State } from './states.js';
import '@convergio/telemetry-react/styles.css';
import './gallery.css';

/**
 * `?state=offline&locale=it&theme=dark`; a theme may be left out, and `deletion=fails` makes deleting fail.
 */
const asked = new URLSearchParams(location.search);
const state = STATES.find((name) => name === asked.get('state')) ?? 'server';
const locale: Locale = asked.get('locale') === 'en' ? 'en' : 'it';
const theme = asked.get('theme');

document.documentElement.lang = locale;
if (theme !== null) document.documentElement.dataset.theme = theme;
if (state === 'offline') Object.defineProperty(navigator, 'onLine', { get: () => false });

const page = document.querySelector('#page');
if (page === null) throw new Error('the gallery has no place for the page');
createRoot(page).render(
  <StrictMode>
    <StatisticsPage telemetry={telemetryIn(state)} locale={locale} fetch={() => answer(state)} />
  </StrictMode>,
);

/** A store that behaves like a telemetry's for what the page does with it, and sends nothing. */
function telemetryIn(state: State): Telemetry {
  const store = createStore<TelemetryState>()((set) => ({
    enabled: state !== 'off' && state !== 'signal',
    browserSignal: state === 'signal',
    pending: 0,
    accepted: 0,
    rejected: 0,
    dropped: 0,
    delivery: 'idle',
    flushIntervalMs: 30_000,
    choice: { off: false, at: 0 },
    session: null,
    history: { epoch: counted(state) } as TelemetryState['history'],
    track: () => {},
    flush: async () => {},
    setEnabled: (enabled) => set({ enabled }),
    setFlushInterval: (flushIntervalMs) => set({ flushIntervalMs }),
    deleteMyData: async () => {
      if (asked.get('deletion') === 'fails') throw new Error('The server cannot be reached; try again.');
      set({ history: { epoch: 0 } as TelemetryState['history'] });
    },
    stop: () => {},
  }));
  return { ...store, ...store.getState(), endpoint: '' };
}
