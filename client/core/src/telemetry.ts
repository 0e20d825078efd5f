import type { Telemetry, TelemetryOptions } from './types.js';

/** The telemetry of a page: a Zustand store that tracks, keeps and sends events. */
export function createTelemetry(_options: TelemetryOptions = {}): Telemetry {
  throw new Error('not there yet');
}
