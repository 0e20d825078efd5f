// @vitest-environment jsdom
import { localStatistics } from '@convergio/telemetry';
import { StatisticsPage } from '@convergio/telemetry-react';
import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import {
  cleanStage,
  emptyWeek,
  server,
  setOnline,
  settle,
  show,
  silent,
  telemetry,
  unreachable,
  week,
} from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));
const counted = vi.mocked(localStatistics);

cleanStage();
beforeEach(() => {
  counted.mockReturnValue(week({ questions: 5 }));
});

const number = (name: string) => screen.getByText(name, { selector: 'dt' }).nextElementSibling?.textContent;
const origin = () => document.querySelector('.convergio-origin > span')?.textContent;
const retry = () => screen.queryByRole('button', { name: 'Try again' });

describe('numbers of the server', () => {
  test('are asked for seven days in the zone of the browser, with the cookie', async () => {
    const { fetch, requests } = server();
    await show(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
    expect(requests).toHaveLength(1);
    const [{ url, init } = { url: null, init: {} }] = requests;
    expect(url?.origin).toBe('https://telemetry.example.org');
    expect(url?.pathname).toBe('/api/telemetry/stats');
    expect(Object.fromEntries(url?.searchParams ?? [])).toEqual({
      range: '7d',
      tz: Intl.DateTimeFormat().resolvedOptions().timeZone,
    });
    expect(init.credentials).toBe('include');
  });

  test('are shown as today’s, and the page says when they are from', async () => {
    await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
    expect(number('Sessions')).toBe('3');
    expect(number('Study time')).toBe('45\u00a0min');
    expect(number('Questions')).toBe('7');
    expect(number('Page views')).toBe('1,234');
    expect(origin()).toBe('From the server, updated 10:32');
    expect(counted).not.toHaveBeenCalled();
  });
});

describe('numbers of this browser', () => {
  test.each([
    ['the server cannot be reached', unreachable],
    ['the server is overloaded', () => new Response(null, { status: 503 })],
    ['the server asks to slow down', () => new Response(null, { status: 429 })],
  ])('stand in when %s, with another try', async (_reason, answer) => {
    await show(<StatisticsPage telemetry={telemetry()} fetch={server(answer).fetch} />);
    expect(origin()).toBe('From this browser: the server cannot be reached');
    expect(number('Questions')).toBe('5');
    expect(retry()).not.toBeNull();
  });

  test.each([
    ['no JSON', () => new Response('<!doctype html><title>Log in</title>')],
    ['JSON of something else', () => Response.json({ status: 'ok' })],
    ['null', () => Response.json(null)],
    ['statistics without days', () => Response.json({ ...week(), days: [] })],
    ['a number that is text', () => Response.json(week({ sessions: '3' as unknown as number }))],
    ['an unknown time zone', () => Response.json({ ...week(), range: { timeZone: 'Mars/Olympus' } })],
    ['an error', () => Response.json({ title: 'wrong' }, { status: 400 })],
  ])('stand in when the answer is %s', async (_what, answer) => {
    await show(<StatisticsPage telemetry={telemetry()} fetch={server(answer).fetch} />);
    expect(origin()).toBe('From this browser: the server’s answer could not be understood');
    expect(number('Questions')).toBe('5');
    expect(retry()).not.toBeNull();
  });

  test('are a newcomer’s, who has no cookie yet, and that is no error', async () => {
    const { fetch } = server(() => new Response(null, { status: 401 }));
    await show(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
    expect(origin()).toBe('From this browser: the server has nothing of yours yet');
    expect(number('Questions')).toBe('5');
    expect(retry()).toBeNull();
  });

  test('are shown while offline without asking anybody, and the server’s once online again', async () => {
    const { fetch, requests } = server();
    setOnline(false);
    await show(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
    expect(origin()).toBe('From this browser (offline)');
    expect(number('Questions')).toBe('5');
    expect(requests).toHaveLength(0);

    setOnline(true);
    await settle();
    expect(origin()).toMatch(/^From the server,/);
    expect(number('Questions')).toBe('7');

    setOnline(false);
    await settle();
    expect(origin()).toBe('From this browser (offline)');
  });

  test('follow what happens in this browser', async () => {
    const store = telemetry();
    await show(<StatisticsPage telemetry={store} fetch={server(unreachable).fetch} />);
    counted.mockReturnValue(week({ questions: 6 }));
    store.setState({ history: { changed: true } as never });
    await settle();
    expect(number('Questions')).toBe('6');
  });

  test('that cannot be counted leave an error and another try, never a crash', async () => {
    counted.mockImplementation(() => {
      throw new Error('history of another version');
    });
    const gateway = server(unreachable);
    await show(<StatisticsPage telemetry={telemetry()} fetch={gateway.fetch} />);
    expect(screen.getByRole('heading', { name: 'Your statistics cannot be shown' })).toBeDefined();
    gateway.answer = () => Response.json(week());
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await settle();
    expect(number('Questions')).toBe('7');
  });
});

describe('another try', () => {
  test('brings the server’s numbers, and the focus to the heading', async () => {
    const gateway = server(unreachable);
    await show(<StatisticsPage telemetry={telemetry()} fetch={gateway.fetch} />);
    gateway.answer = () => Response.json(week());
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await settle();
    expect(origin()).toMatch(/^From the server,/);
    expect(document.activeElement).toBe(screen.getByRole('heading', { level: 1 }));
  });

  test('says that it is under way, and does not start a second one', async () => {
    const gateway = server(unreachable);
    await show(<StatisticsPage telemetry={telemetry()} fetch={gateway.fetch} />);
    gateway.answer = silent;
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await userEvent.click(screen.getByRole('button', { name: 'Trying…' }));
    expect(gateway.requests).toHaveLength(2);
  });

  test('that fails is told as well', async () => {
    await show(<StatisticsPage telemetry={telemetry()} fetch={server(unreachable).fetch} />);
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await settle();
    expect(screen.getByText('That did not work. Try again in a moment.')).toBeDefined();
    expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Try again' }));
  });
});

test('while the first answer is on its way the page shows its shape and is busy', async () => {
  const { container } = await show(<StatisticsPage telemetry={telemetry()} fetch={server(silent).fetch} />);
  expect(container.querySelector('[aria-busy="true"]')).not.toBeNull();
  expect(screen.getByText('Loading your statistics')).toBeDefined();
});

test('a week without any event says what will appear', async () => {
  const { fetch } = server(() => Response.json(emptyWeek()));
  await show(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
  expect(screen.getByRole('heading', { name: 'Nothing here yet' })).toBeDefined();
  expect(screen.queryByRole('img')).toBeNull();
});

test('a day of nothing but an error is an active day, not an empty week', async () => {
  const empty = emptyWeek();
  const [first, ...others] = empty.score.components;
  const score = { ...empty.score, score: 5, components: [{ ...first, value: 1, points: 5 }, ...others] };
  const { fetch } = server(() => Response.json({ ...empty, score }));
  await show(<StatisticsPage telemetry={telemetry()} fetch={fetch} />);
  expect(number('Sessions')).toBe('0');
});
