import { createTelemetry } from '@convergio/telemetry';
import { TelemetryProvider } from '@convergio/telemetry-react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App.js';
import { trackPages } from './routes.js';
import '@convergio/telemetry-react/styles.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/pages.css';

// The page and the gateway have one origin. Far more often than a real app would, so that numbers move while one looks.
const telemetry = createTelemetry({ flushIntervalMs: 2000 });
trackPages((event, page) => telemetry.track('navigation', event, { label: page }));

const root = document.getElementById('app');
if (root === null) throw new Error('index.html has no element #app.');
createRoot(root).render(
  <StrictMode>
    <TelemetryProvider telemetry={telemetry}>
      <App />
    </TelemetryProvider>
  </StrictMode>,
);
