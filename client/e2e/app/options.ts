import type { TelemetryOptions } from '@convergio/telemetry';

/** The options a test puts into the page's address, as one JSON document. */
export function optionsOf(search: string): TelemetryOptions {
  return JSON.parse(new URLSearchParams(search).get('options') ?? '{}') as TelemetryOptions;
}
