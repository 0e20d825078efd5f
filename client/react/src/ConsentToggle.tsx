import type { Telemetry } from '@convergio/telemetry';
import { useId } from 'react';
import { useLanguage } from './language.js';
import { useTelemetry } from './provider.js';

/** The switch that turns collection on and off, and what it is about. */
export function ConsentToggle({ telemetry }: { telemetry: Telemetry }) {
  const { text } = useLanguage();
  const enabled = useTelemetry((state) => state.enabled, telemetry);
  const signal = useTelemetry((state) => state.browserSignal, telemetry);
  const id = useId();
  const { consent } = text;
  return (
    <div className="convergio-consent">
      <div>
        <span id={`${id}label`} className="convergio-label">
          {consent.label}
        </span>
        <button
          type="button"
          role="switch"
          className="convergio-switch"
          aria-checked={enabled}
          aria-labelledby={`${id}label`}
          aria-describedby={signal ? `${id}signal ${id}what` : `${id}what`}
          disabled={signal}
          onClick={() => telemetry.setEnabled(!enabled)}
        >
          <span aria-hidden="true">{enabled ? consent.on : consent.off}</span>
        </button>
      </div>
      {signal && (
        <p id={`${id}signal`} className="convergio-why">
          {consent.signal}
        </p>
      )}
      <div id={`${id}what`}>
        <p>{consent.collected}</p>
        <p>{consent.notCollected}</p>
      </div>
    </div>
  );
}
