// @vitest-environment jsdom
import { localStatistics } from '@convergio/telemetry';
import { StatisticsPage } from '@convergio/telemetry-react';
import { act, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, test, vi } from 'vitest';
import { cleanStage, emptyWeek, server, show, telemetry, week } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

cleanStage();
beforeEach(() => {
  vi.mocked(localStatistics).mockReturnValue(week());
});

const toggle = () => screen.getByRole('switch', { name: 'Collect usage statistics' }) as HTMLButtonElement;
const notice = () => document.querySelector('.convergio-notice')?.textContent;

function described(element: Element): string {
  const ids = element.getAttribute('aria-describedby')?.split(' ') ?? [];
  return ids.map((id) => document.getElementById(id)?.textContent).join(' ');
}

test('the switch is on while telemetry is on, and says what is and what is not collected', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  expect(toggle().getAttribute('aria-checked')).toBe('true');
  expect(described(toggle())).toContain('Collected: which pages and tools you use');
  expect(described(toggle())).toContain('Not collected: your name');
  expect(notice()).toBeUndefined();
});

test('switching it off by keyboard switches telemetry off; the numbers stay and a notice says so', async () => {
  const store = telemetry();
  await show(<StatisticsPage telemetry={store} fetch={server().fetch} />);
  toggle().focus();
  await userEvent.keyboard(' ');
  expect(store.getState().enabled).toBe(false);
  expect(toggle().getAttribute('aria-checked')).toBe('false');
  expect(notice()).toContain('Nothing is being collected');
  expect(screen.getByText('Questions', { selector: 'dt' }).nextElementSibling?.textContent).toBe('7');
});

test('it follows a switch that was thrown in another tab', async () => {
  const store = telemetry();
  await show(<StatisticsPage telemetry={store} fetch={server().fetch} />);
  act(() => store.setState({ enabled: false }));
  expect(toggle().getAttribute('aria-checked')).toBe('false');
  await userEvent.click(toggle());
  expect(store.getState().enabled).toBe(true);
});

test('the browser’s own signal keeps it off: the switch is disabled and says why and what to do', async () => {
  const store = telemetry({ enabled: false, browserSignal: true });
  await show(<StatisticsPage telemetry={store} fetch={server().fetch} />);
  expect(toggle().disabled).toBe(true);
  expect(described(toggle())).toContain('Global Privacy Control');
  expect(described(toggle())).toContain('switch it off in the privacy settings of your browser');
  expect(notice()).toContain('Your browser asks sites not to track you');
  await userEvent.click(toggle());
  expect(store.getState().enabled).toBe(false);
});

test('an empty week while collection is off promises nothing', async () => {
  const { fetch } = server(() => Response.json(emptyWeek()));
  await show(<StatisticsPage telemetry={telemetry({ enabled: false })} fetch={fetch} />);
  expect(screen.getByText(/collection is off, so nothing new will appear/)).toBeDefined();
});
