import { useLanguage } from './language.js';
import type { View } from './useStatistics.js';

export interface OriginProps {
  view: View;
  retrying: boolean;
  onRetry: () => void;
}

/**
 * Says in words where the numbers are from, and offers another try where one may help. Screen readers are told when
 * that changes, but not every time the numbers are fresh again.
 */
export function Origin({ view, retrying, onRetry }: OriginProps) {
  const { text, format } = useLanguage();
  const source = view.kind === 'shown' ? view.source : view.kind;
  const updated =
    view.kind === 'shown' && view.source === 'server'
      ? format.time(view.statistics.generatedAt, view.statistics.range.timeZone)
      : null;
  return (
    <p className="convergio-origin" data-source={source}>
      <span>
        <span role="status">{text.source[source]}</span>
        {updated !== null && `, ${text.updated(updated)}`}
      </span>
      {(source === 'unreachable' || source === 'unintelligible' || source === 'failed') && (
        <button
          type="button"
          className="convergio-button"
          aria-disabled={retrying}
          onClick={() => {
            if (!retrying) onRetry();
          }}
        >
          {retrying ? text.retrying : text.retry}
        </button>
      )}
    </p>
  );
}
