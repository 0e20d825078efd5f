import type { Telemetry, TelemetryActions, TelemetryState } from '@convergio/telemetry';
import { TelemetryProvider } from '@convergio/telemetry-react';
import { render } from '@testing-library/react';
import { type ReactNode, StrictMode } from 'react';
import { createStore } from 'zustand/vanilla';

/** What was tracked, one line an event: its category, its action, and its detail as JSON. */
export type Tracked = string[];

/** A telemetry that writes down what it is given and sends nothing; `state` is what the store shows. */
export function recorder(state: Partial<TelemetryState> = {}): [Telemetry, Tracked] {
  const tracked: Tracked = [];
  const actions: TelemetryActions = {
    track: (category, action, ...[detail]) =>
      void tracked.push([category, action, detail && JSON.stringify(detail)].filter(Boolean).join(' ')),
    flush: async () => {},
    setEnabled: () => {},
    setFlushInterval: () => {},
    deleteMyData: async () => {},
    stop: () => {},
  };
  // Only what the study app reads.
  const shown = {
    enabled: true,
    pending: 0,
    accepted: 0,
    rejected: 0,
    delivery: 'idle',
    ...actions,
    ...state,
  };
  const store = createStore(() => shown as TelemetryState);
  return [Object.assign(store, actions, { endpoint: '' }), tracked];
}

/** Renders with a telemetry that records, and returns what it will have recorded. */
export function renderRecorded(shown: ReactNode, state?: Partial<TelemetryState>): Tracked {
  const [telemetry, tracked] = recorder(state);
  render(
    <StrictMode>
      <TelemetryProvider telemetry={telemetry}>{shown}</TelemetryProvider>
    </StrictMode>,
  );
  return tracked;
}
