import type { Telemetry } from '@convergio/telemetry';
import { type Answer, askForStatistics, type Fetch } from './stats-request.js';

/** How long after the server took something it is asked again: by then it has gone through the pipeline. */
const SETTLING_MS = 2_000;

export interface ReaderOptions {
  fetch: Fetch;
  /** Milliseconds from one answer to the next question. */
  refreshMs: number;
  onAnswer: (answer: Answer) => void;
  /** Whether a question is under way. */
  onBusy: (busy: boolean) => void;
}

export interface Reader {
  /** Asks now; a question under way is dropped. */
  read: () => void;
  /** What was asked is out of date: drops it, and asks once the server has caught up. */
  readAfresh: () => void;
  stop: () => void;
}

/**
 * Keeps asking the server, one question at a time: regularly while the page is seen and telemetry is on, and when
 * there is a reason to: events were taken, telemetry was switched, the network came or went, the page came into view.
 */
export function startReader(telemetry: Telemetry, options: ReaderOptions): Reader {
  let request = new AbortController();
  let regular: ReturnType<typeof setTimeout> | undefined;
  let settling: ReturnType<typeof setTimeout> | undefined;

  async function read(): Promise<void> {
    clearTimeout(regular);
    clearTimeout(settling);
    settling = undefined;
    request.abort();
    const mine = new AbortController();
    request = mine;
    options.onBusy(true);
    try {
      const answer = await askForStatistics(options.fetch, telemetry.endpoint, browserZone(), mine.signal);
      if (mine.signal.aborted) return;
      options.onAnswer(answer);
      options.onBusy(false);
      regular = setTimeout(readIfWanted, options.refreshMs);
    } catch {
      // Dropped: another question, or the end, took its place.
    }
  }

  function readIfWanted(): void {
    if (document.visibilityState === 'visible' && telemetry.getState().enabled) void read();
  }

  function readSoon(): void {
    settling ??= setTimeout(() => void read(), SETTLING_MS);
  }

  const readNow = () => void read();
  const readWhenSeen = () => {
    if (document.visibilityState === 'visible') void read();
  };
  const unsubscribe = telemetry.subscribe((state, before) => {
    if (state.accepted > before.accepted) readSoon();
    if (state.enabled && !before.enabled) void read();
  });
  window.addEventListener('online', readNow);
  window.addEventListener('offline', readNow);
  document.addEventListener('visibilitychange', readWhenSeen);
  // What still waits belongs into the numbers; its answer asks for them again.
  void telemetry.flush();
  void read();

  return {
    read: readNow,
    readAfresh: () => {
      clearTimeout(regular);
      request.abort();
      options.onBusy(false);
      readSoon();
    },
    stop: () => {
      clearTimeout(regular);
      clearTimeout(settling);
      request.abort();
      unsubscribe();
      window.removeEventListener('online', readNow);
      window.removeEventListener('offline', readNow);
      document.removeEventListener('visibilitychange', readWhenSeen);
    },
  };
}

/** Engines that do not know their zone say so with an empty or unknown one. */
function browserZone(): string {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && zone !== 'Etc/Unknown' ? zone : 'UTC';
}
