// Prints what other clients weigh, by the same bundler and in the same run as ours. Installs them into a temporary folder.
// `npm run peers`
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kilobytes, weigh } from './weigh.mjs';

const PEERS = [
  { name: 'plausible-tracker', version: '0.3.9', code: "export { default } from 'plausible-tracker';" },
  {
    name: '@snowplow/browser-tracker',
    version: '4.10.1',
    code: "export { newTracker, trackPageView, trackStructEvent } from '@snowplow/browser-tracker';",
  },
  {
    name: '@segment/analytics-next',
    version: '1.84.3',
    code: "export { AnalyticsBrowser } from '@segment/analytics-next';",
  },
  {
    name: '@rudderstack/analytics-js',
    version: '3.34.1',
    code: "export { RudderAnalytics } from '@rudderstack/analytics-js';",
  },
  {
    name: '@amplitude/analytics-browser',
    version: '2.48.1',
    code: "export { init, track, flush } from '@amplitude/analytics-browser';",
  },
  { name: 'mixpanel-browser', version: '2.83.0', code: "export { default } from 'mixpanel-browser';" },
  { name: 'posthog-js', version: '1.449.2', code: "export { default } from 'posthog-js';" },
  {
    name: 'recharts',
    version: '3.11.0',
    code: "export { Bar, BarChart, XAxis, YAxis } from 'recharts';",
    external: ['react', 'react-dom'],
  },
];

const root = await mkdtemp(join(tmpdir(), 'peers-'));
try {
  const wanted = PEERS.map(({ name, version }) => `${name}@${version}`);
  execFileSync(
    'npm',
    ['install', '--prefix', root, '--ignore-scripts', '--no-audit', '--no-fund', ...wanted],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const ours = await weigh("export { createTelemetry } from '@convergio/telemetry';", {
    root: fileURLToPath(new URL('..', import.meta.url)),
  });
  const rows = [{ name: '@convergio/telemetry', ...ours }];
  for (const { name, version, code, external } of PEERS) {
    rows.push({
      name: `${name} ${version}`,
      ...(await weigh(code, { root, ...(external ? { external } : {}) })),
    });
  }
  console.log(
    'minified, gzip -9, KB'.padEnd(40),
    'at once'.padStart(8),
    'on demand'.padStart(10),
    'times ours'.padStart(11),
  );
  for (const { name, initial, later } of rows) {
    const times = (initial / ours.initial).toFixed(1);
    console.log(
      name.padEnd(40),
      kilobytes(initial).padStart(8),
      kilobytes(later).padStart(10),
      times.padStart(11),
    );
  }
} finally {
  await rm(root, { recursive: true });
}
