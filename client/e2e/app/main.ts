import { createTelemetry, type Telemetry } from '@convergio/telemetry';
import { optionsOf } from './options.js';

declare global {
  interface Window {
    telemetry: Telemetry;
  }
}

window.telemetry = createTelemetry(optionsOf(location.search));
