import { useTelemetry } from '@convergio/telemetry-react';
import { useStudy } from './study.js';

/** What became of the events so far, so that one sees the pipeline at work. */
export function Footer() {
  const { footer } = useStudy().texts;
  const enabled = useTelemetry((state) => state.enabled);
  const accepted = useTelemetry((state) => state.accepted);
  const pending = useTelemetry((state) => state.pending);
  const refused = useTelemetry((state) => state.rejected);
  const unreachable = useTelemetry((state) => state.delivery === 'unreachable');
  return (
    <footer className="bottom">
      <p
        className="counter"
        data-state={!enabled ? 'off' : unreachable ? 'unreachable' : pending ? 'waiting' : 'idle'}
      >
        <span className="lamp" aria-hidden="true" />
        {enabled ? (
          <>
            <strong data-testid="accepted">{footer.counted(accepted)}</strong>
            {pending > 0 && <span data-testid="pending">{footer.waiting(pending)}</span>}
            {refused > 0 && <span>{footer.refused(refused)}</span>}
            {unreachable && <span>{footer.unreachable}</span>}
          </>
        ) : (
          <span>{footer.off}</span>
        )}
      </p>
      <p className="elsewhere">{footer.elsewhere}</p>
    </footer>
  );
}
