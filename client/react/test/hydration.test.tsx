// @vitest-environment jsdom
import { StatisticsPage } from '@convergio/telemetry-react';
import { act, screen } from '@testing-library/react';
import { StrictMode } from 'react';
import { hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, expect, test, vi } from 'vitest';
import { cleanStage, server, settle, telemetry } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

cleanStage();
let root: Root | undefined;
afterEach(() => {
  act(() => root?.unmount());
  document.body.replaceChildren();
});

test('the browser takes the server’s page over without a mismatch, in its own language and state', async () => {
  // What the server cannot know: an Italian document, and that this browser has telemetry switched off.
  document.documentElement.lang = 'it';
  const errors = vi.spyOn(console, 'error');
  const recovered = vi.fn();
  const container = document.createElement('main');
  document.body.append(container);
  container.innerHTML = renderToString(
    <StrictMode>
      <StatisticsPage telemetry={telemetry()} fetch={server().fetch} />
    </StrictMode>,
  );
  expect(container.querySelector('h1')?.textContent).toBe('Statistics');
  const heading = container.querySelector('h1');

  await act(async () => {
    root = hydrateRoot(
      container,
      <StrictMode>
        <StatisticsPage telemetry={telemetry({ enabled: false })} fetch={server().fetch} />
      </StrictMode>,
      { onRecoverableError: recovered },
    );
  });
  await settle();
  expect(recovered).not.toHaveBeenCalled();
  expect(errors).not.toHaveBeenCalled();
  expect(container.querySelector('h1')).toBe(heading);
  expect(heading?.textContent).toBe('Statistiche');
  expect(screen.getByRole('switch').getAttribute('aria-checked')).toBe('false');
  expect(screen.getByRole('img', { name: 'Coinvolgimento: 62 su 100.' })).toBeDefined();
});
