import { createTelemetry, localStatistics, type Statistics, type Telemetry } from '@convergio/telemetry';
import { optionsOf } from './options.js';

declare global {
  interface Window {
    telemetry: Telemetry;
    statistics: () => Statistics;
  }
}

const telemetry = createTelemetry(optionsOf(location.search));
window.telemetry = telemetry;
window.statistics = () => localStatistics(telemetry.getState().history, new Date());

document.querySelector('#fail')?.addEventListener('click', () => {
  throw new TypeError('what somebody typed');
});
