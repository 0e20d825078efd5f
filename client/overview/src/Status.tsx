import { useWords } from './language.js';
import type { Reading } from './useOverview.js';

/** Says in words how fresh the numbers are. Screen readers are told when that changes, not at every answer. */
export function Status({ view: { overview, trouble }, asking, retry }: Reading) {
  const { text, format } = useWords();
  const state = stateOf(overview !== null, overview?.stale === true || trouble !== null, trouble !== null);
  const notice =
    overview === null
      ? null
      : trouble !== null
        ? text.last(text.trouble[trouble].body)
        : overview.stale
          ? text.stale(format.ago(secondsBetween(overview.readAt, overview.generatedAt)))
          : null;
  return (
    <>
      <p className="convergio-origin overview-status" data-state={state}>
        <span>
          <span role="status">{text.status[state]}</span>
          {overview !== null &&
            `, ${state === 'live' ? text.updated(format.clock(overview.generatedAt)) : text.from(format.clock(overview.readAt))}`}
        </span>
        {trouble !== null && trouble !== 'token-missing' && trouble !== 'token-wrong' && (
          <button
            type="button"
            className="convergio-button"
            aria-disabled={asking}
            onClick={() => {
              if (!asking) retry();
            }}
          >
            {asking ? text.trying : text.retry}
          </button>
        )}
      </p>
      <div role="status">{notice !== null && <p className="convergio-notice">{notice}</p>}</div>
      {overview !== null && overview.sinceBeginning.events > 0 && (
        <p className="overview-beginning">
          {text.beginning(
            format.number(overview.sinceBeginning.events),
            format.number(overview.sinceBeginning.sessions),
            format.long(overview.sinceBeginning.studyMinutes),
          )}
        </p>
      )}
    </>
  );
}

function stateOf(numbers: boolean, old: boolean, trouble: boolean): 'loading' | 'live' | 'stale' | 'none' {
  if (numbers) return old ? 'stale' : 'live';
  return trouble ? 'none' : 'loading';
}

/** Of two moments of the exporter's clock. */
export function secondsBetween(earlier: string, later: string): number {
  return (Date.parse(later) - Date.parse(earlier)) / 1_000;
}
