import { onINP, onLCP } from 'web-vitals';
import type { Track } from './types.js';

/** Notes how long the page took to show its main content, and the slowest interaction, in milliseconds. */
export function watchVitals(track: Track): void {
  onLCP(({ value, rating }) =>
    track('performance', 'page_load', { label: 'LCP', value: Math.round(value), metadata: { rating } }),
  );
  onINP(({ value, rating }) =>
    track('performance', 'interaction_time', {
      label: 'INP',
      value: Math.round(value),
      metadata: { rating },
    }),
  );
}
