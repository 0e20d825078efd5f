// @vitest-environment jsdom
import { localStatistics } from '@convergio/telemetry';
import { StatisticsPage } from '@convergio/telemetry-react';
import { act, render, screen } from '@testing-library/react';
import { StrictMode } from 'react';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { cleanStage, server, setVisible, silent, telemetry, week } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

cleanStage();
beforeEach(() => {
  vi.mocked(localStatistics).mockReturnValue(week());
  vi.useFakeTimers();
});

const pass = (milliseconds: number) => act(() => vi.advanceTimersByTimeAsync(milliseconds));
const announced = () =>
  screen.getAllByRole('status').find((region) => region.classList.contains('convergio-hidden'))?.textContent;

async function shown(page: React.ReactElement) {
  const rendered = render(page);
  await pass(0);
  return rendered;
}

test('what waits is sent when the page is opened, so that the numbers have it', async () => {
  const flush = vi.fn(async () => {});
  await shown(<StatisticsPage telemetry={telemetry({ flush })} fetch={server().fetch} />);
  expect(flush).toHaveBeenCalledTimes(1);
});

describe('the server is asked again', () => {
  test('when the interval has passed since its answer', async () => {
    const { fetch, requests } = server();
    await shown(<StatisticsPage telemetry={telemetry()} fetch={fetch} refreshMs={10_000} />);
    await pass(9_999);
    expect(requests).toHaveLength(1);
    await pass(1);
    expect(requests).toHaveLength(2);
    await pass(10_000);
    expect(requests).toHaveLength(3);
  });

  test('a while after it took events, once for all of them', async () => {
    const store = telemetry();
    const { fetch, requests } = server();
    await shown(<StatisticsPage telemetry={store} fetch={fetch} />);
    store.setState({ accepted: 3 });
    await pass(1_000);
    store.setState({ accepted: 5 });
    expect(requests).toHaveLength(1);
    await pass(1_000);
    expect(requests).toHaveLength(2);
    await pass(5_000);
    expect(requests).toHaveLength(2);
  });

  test('not for events that merely wait', async () => {
    const store = telemetry();
    const { fetch, requests } = server();
    await shown(<StatisticsPage telemetry={store} fetch={fetch} />);
    store.setState({ pending: 3 });
    await pass(10_000);
    expect(requests).toHaveLength(1);
  });

  test('when the page comes into view, and never while it is hidden', async () => {
    const { fetch, requests } = server();
    await shown(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
    setVisible(false);
    await pass(300_000);
    expect(requests).toHaveLength(1);
    setVisible(true);
    await pass(0);
    expect(requests).toHaveLength(2);
    await pass(30_000);
    expect(requests).toHaveLength(3);
  });

  test('not regularly while telemetry is off, but when it is switched on', async () => {
    const store = telemetry({ enabled: false });
    const { fetch, requests } = server();
    await shown(<StatisticsPage telemetry={store} fetch={fetch} />);
    await pass(300_000);
    expect(requests).toHaveLength(1);
    act(() => store.setState({ enabled: true }));
    await pass(0);
    expect(requests).toHaveLength(2);
  });
});

test('an answer that does not come is given up, and this browser’s numbers are shown', async () => {
  const { fetch, requests } = server(silent);
  await shown(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
  await pass(10_000);
  expect(requests[0]?.init.signal?.aborted).toBe(true);
  expect(screen.getByText('From this browser: the server cannot be reached')).toBeDefined();
});

test('an answer that comes after a newer question is dropped', async () => {
  const answers: ((response: Response) => void)[] = [];
  // A fetch that cannot be aborted: what it brings late must not count.
  const fetch = () => new Promise<Response>((resolve) => answers.push(resolve));
  await shown(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
  setVisible(true);
  await pass(0);
  answers[1]?.(Response.json(week({ questions: 8 })));
  await pass(0);
  answers[0]?.(Response.json(week({ questions: 7 })));
  await pass(0);
  expect(screen.getByText('Questions', { selector: 'dt' }).nextElementSibling?.textContent).toBe('8');
});

test('leaving the page aborts the question and asks no more', async () => {
  const store = telemetry();
  const { fetch, requests } = server(silent);
  const { unmount } = await shown(<StatisticsPage telemetry={store} fetch={fetch} />);
  unmount();
  expect(requests[0]?.init.signal?.aborted).toBe(true);
  store.setState({ accepted: 1 });
  window.dispatchEvent(new Event('online'));
  await pass(300_000);
  expect(requests).toHaveLength(1);
});

test('under StrictMode one question at a time is under way', async () => {
  const { fetch, requests } = server();
  await shown(
    <StrictMode>
      <StatisticsPage telemetry={telemetry()} fetch={fetch} />
    </StrictMode>,
  );
  expect(requests.map(({ init }) => init.signal?.aborted)).toEqual([true, false]);
  await pass(30_000);
  expect(requests).toHaveLength(3);
});

test('a fetch that is written inline does not start over with every render', async () => {
  const store = telemetry();
  const { fetch, requests } = server();
  const page = () => <StatisticsPage telemetry={store} fetch={(url, init) => fetch(url, init)} />;
  const { rerender } = await shown(page());
  rerender(page());
  rerender(page());
  await pass(0);
  expect(requests).toHaveLength(1);
});

describe('screen readers are told', () => {
  test('nothing when the server answers at once, nor when the same numbers come again', async () => {
    const { fetch } = server();
    await shown(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
    expect(announced()).toBe('');
    await pass(30_000);
    expect(announced()).toBe('');
  });

  test('numbers that changed', async () => {
    const gateway = server();
    await shown(<StatisticsPage telemetry={telemetry()} fetch={gateway.fetch} />);
    gateway.answer = () => Response.json(week({ questions: 8 }));
    await pass(30_000);
    expect(announced()).toBe(
      'Statistics updated. Today: sessions 3, study time 45\u00a0min, questions 8, page views 1,234.',
    );
  });

  test('where the numbers are from, when that changes, and not that they are fresh', async () => {
    const gateway = server();
    await shown(<StatisticsPage telemetry={telemetry()} fetch={gateway.fetch} />);
    const source = screen.getByText('From the server');
    expect(source.getAttribute('role')).toBe('status');
    gateway.answer = () => new Response(null, { status: 503 });
    await pass(30_000);
    expect(source.textContent).toBe('From this browser: the server cannot be reached');
  });
});
