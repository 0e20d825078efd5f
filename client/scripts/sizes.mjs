// Prints what each package weighs in a browser; ends with 1 where it is over its limit. `npm run sizes`
import { fileURLToPath } from 'node:url';
import { kilobytes, weigh, weighCss } from './weigh.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const CORE = "export { createTelemetry } from '@convergio/telemetry';";
const PAGE = "export { StatisticsPage, TelemetryProvider, useTelemetry } from '@convergio/telemetry-react';";
const REACT = ['react', 'react-dom'];

const core = await weigh(CORE, { root });
const page = await weigh(PAGE, { root, external: REACT });
const withCore = await weigh(CORE + PAGE, { root, external: REACT });
const css = await weighCss(new URL('../react/src/styles.css', import.meta.url));

const rows = [
  { part: 'core, with its zustand', bytes: core.initial, limit: 6 * 1024 },
  { part: 'web-vitals, loaded after it', bytes: core.later, limit: 3 * 1024 },
  { part: 'page with its CSS, without React', bytes: page.initial + css, limit: 20 * 1024 },
  { part: 'core and page together', bytes: withCore.initial + css, limit: 26 * 1024 },
];
console.log('minified, gzip -9'.padEnd(36), 'bytes'.padStart(7), 'KB'.padStart(6), 'limit KB'.padStart(9));
for (const { part, bytes, limit } of rows) {
  console.log(
    part.padEnd(36),
    `${bytes}`.padStart(7),
    kilobytes(bytes).padStart(6),
    kilobytes(limit).padStart(9),
  );
}
const over = rows.filter(({ bytes, limit }) => bytes > limit);
for (const { part } of over) console.error(`${part}: over its limit`);
process.exitCode = over.length ? 1 : 0;
