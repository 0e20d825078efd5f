// @vitest-environment node
import { StatisticsPage, TelemetryProvider, useTelemetry } from '@convergio/telemetry-react';
import { renderToString } from 'react-dom/server';
import { expect, test, vi } from 'vitest';
import { server, telemetry } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

test('a server without a window writes the page’s shape and asks nobody', () => {
  expect(typeof window).toBe('undefined');
  const { fetch, requests } = server();
  const html = renderToString(
    <TelemetryProvider telemetry={telemetry()}>
      <StatisticsPage fetch={fetch} locale="it" />
    </TelemetryProvider>,
  );
  expect(html).toContain('Statistiche');
  expect(html).toContain('aria-busy="true"');
  expect(requests).toHaveLength(0);
});

test('a server writes what the store holds at first', () => {
  const html = renderToString(
    <TelemetryProvider telemetry={telemetry({ pending: 4 })}>
      <Pending />
    </TelemetryProvider>,
  );
  expect(html).toBe('<b>4</b>');
});

function Pending() {
  return <b>{useTelemetry((state) => state.pending)}</b>;
}
