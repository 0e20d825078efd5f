import type { Statistics } from '@convergio/telemetry';
import { type Language, useLanguage } from './language.js';
import type { Source } from './useStatistics.js';

export interface OriginProps {
  statistics: Statistics;
  source: Source;
  retrying: boolean;
  onRetry: () => void;
}

/** Says in words where the numbers are from, and offers another try where one may help. */
export function Origin({ statistics, source, retrying, onRetry }: OriginProps) {
  const language = useLanguage();
  return (
    <p className="convergio-origin" data-source={source}>
      <span>{originText(language, source, statistics)}</span>
      {(source === 'unreachable' || source === 'unintelligible') && (
        <RetryButton retrying={retrying} onRetry={onRetry} />
      )}
    </p>
  );
}

export function RetryButton({ retrying, onRetry }: Pick<OriginProps, 'retrying' | 'onRetry'>) {
  const { text } = useLanguage();
  return (
    <button
      type="button"
      className="convergio-button"
      aria-disabled={retrying}
      onClick={() => {
        if (!retrying) onRetry();
      }}
    >
      {retrying ? text.source.retrying : text.source.retry}
    </button>
  );
}

export function originText({ text, format }: Language, source: Source, statistics: Statistics): string {
  return source === 'server'
    ? text.source.server(format.time(statistics.generatedAt, statistics.range.timeZone))
    : text.source[source];
}
