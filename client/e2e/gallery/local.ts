/** Stands in for the core: what "this browser counted" is a fixed sample, chosen by the state. */

import type { Statistics } from '@convergio/telemetry';
import { sample } from './sample.js';

export function localStatistics(history: { epoch: number }): Statistics {
  if (history.epoch < 0)
    throw new RangeError('the gallery shows what happens when this browser cannot count');
  return sample(history.epoch);
}
