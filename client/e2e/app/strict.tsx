import { createTelemetry, type Telemetry } from '@convergio/telemetry';
import { TelemetryProvider, useTelemetry } from '@convergio/telemetry-react';
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { optionsOf } from './options.js';

const options = optionsOf(location.search);

/** Begins telemetry with itself and ends it with itself; React does both once more than an app would think. */
function App() {
  const [telemetry, setTelemetry] = useState<Telemetry>();
  useEffect(() => {
    const begun = createTelemetry(options);
    setTelemetry(begun);
    window.telemetry = begun;
    return begun.stop;
  }, []);
  return (
    telemetry && (
      <TelemetryProvider telemetry={telemetry}>
        <Pending />
      </TelemetryProvider>
    )
  );
}

function Pending() {
  const pending = useTelemetry((state) => state.pending);
  return <output>{pending}</output>;
}

const root = document.querySelector('#app');
if (root === null) throw new Error('strict.html has no element #app');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
