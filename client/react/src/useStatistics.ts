import { localStatistics, type Statistics, type Telemetry } from '@convergio/telemetry';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useStore } from 'zustand';
import { type Reader, startReader } from './stats-reader.js';
import type { Answer, Fetch } from './stats-request.js';

/** Where the shown numbers are from: the server, or this browser and why. */
export type Source = Exclude<Answer, { kind: 'statistics' }>['kind'] | 'server';

export type View =
  | { kind: 'loading' }
  | { kind: 'shown'; statistics: Statistics; source: Source }
  /** Not even this browser could count. */
  | { kind: 'failed' };

export interface StatisticsReading {
  view: View;
  /** Whether the server is being asked. */
  busy: boolean;
  retry: () => void;
  /** What the server said is no longer so; it is asked again once it has caught up. */
  forget: () => void;
}

export interface ReadingOptions {
  refreshMs: number;
  fetch: Fetch | undefined;
}

/** The statistics to show: the server's where it answers, else this browser's. Nothing is read before mounting. */
export function useStatistics(telemetry: Telemetry, options: ReadingOptions): StatisticsReading {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [busy, setBusy] = useState(false);
  const reader = useRef<Reader | null>(null);
  // Functions are often written inline; a new one is no reason to start again.
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });

  useEffect(() => {
    const started = startReader(telemetry, {
      fetch: (url, init) => (latest.current.fetch ?? fetch)(url, init),
      refreshMs: options.refreshMs,
      onAnswer: setAnswer,
      onBusy: setBusy,
    });
    reader.current = started;
    return started.stop;
  }, [telemetry, options.refreshMs]);

  const history = useStore(telemetry, (state) => state.history);
  const view = useMemo<View>(() => {
    if (answer === null) return { kind: 'loading' };
    if (answer.kind === 'statistics') {
      return { kind: 'shown', statistics: answer.statistics, source: 'server' };
    }
    try {
      const statistics = localStatistics(history, new Date());
      return { kind: 'shown', statistics, source: answer.kind };
    } catch {
      return { kind: 'failed' };
    }
  }, [answer, history]);

  const retry = useCallback(() => reader.current?.read(), []);
  const forget = useCallback(() => {
    setAnswer({ kind: 'newcomer' });
    reader.current?.readAfresh();
  }, []);
  return { view, busy, retry, forget };
}
