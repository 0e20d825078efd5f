import type { Telemetry, TelemetryState } from '@convergio/telemetry';
import { createContext, type ReactNode, useContext } from 'react';
import { useStore } from 'zustand';

const TelemetryContext = createContext<Telemetry | null>(null);

export interface TelemetryProviderProps {
  /** What `createTelemetry` returned; make it once, outside of components. */
  telemetry: Telemetry;
  children?: ReactNode;
}

/** Gives the components inside it a telemetry to use. */
export function TelemetryProvider({ telemetry, children }: TelemetryProviderProps) {
  return <TelemetryContext.Provider value={telemetry}>{children}</TelemetryContext.Provider>;
}

/** The telemetry passed in, else that of the nearest provider. Throws if there is neither. */
export function useNearestTelemetry(passed?: Telemetry): Telemetry {
  const provided = useContext(TelemetryContext);
  const telemetry = passed ?? provided;
  if (telemetry === null) {
    throw new Error(
      'No telemetry here: put a <TelemetryProvider telemetry={…}> around this, or pass one in.',
    );
  }
  return telemetry;
}

/**
 * The state of the telemetry, actions included, of the nearest provider or of the one passed in. With a selector the
 * component renders again only when what it selects has changed: `useTelemetry((state) => state.track)`.
 * Throws without a telemetry.
 */
export function useTelemetry(): TelemetryState;
export function useTelemetry<T>(selector: (state: TelemetryState) => T, telemetry?: Telemetry): T;
export function useTelemetry(
  selector: (state: TelemetryState) => unknown = (state) => state,
  telemetry?: Telemetry,
): unknown {
  return useStore(useNearestTelemetry(telemetry), selector);
}
