// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { StrictMode } from 'react';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { App } from '../src/App.js';
import type { Overview } from '../src/answer.js';
import { EMPTY, problem, SAMPLE, STALE } from './sample.js';

type Said = Overview | { status: number; type: string } | 'nothing';

/** The exporter: answers what `says` is at the moment, and notes the Authorization header of each request. */
let says: Said | ((authorization: string | null) => Said);
let asked: (string | null)[];

beforeEach(() => {
  says = SAMPLE;
  asked = [];
  window.sessionStorage.clear();
  window.localStorage.clear();
  vi.spyOn(window.navigator, 'language', 'get').mockReturnValue('en-GB');
  vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
    const authorization = new Headers(init.headers).get('Authorization');
    asked.push(authorization);
    const said = typeof says === 'function' ? says(authorization) : says;
    if (said === 'nothing') throw new TypeError('no answer');
    return 'status' in said
      ? Response.json(problem(said.type), { status: said.status })
      : Response.json(said);
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  cleanup();
  setVisible(true);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const press = (name: string) => fireEvent.click(screen.getByRole('button', { name }));
const pass = (milliseconds: number) => act(() => vi.advanceTimersByTimeAsync(milliseconds));

function setVisible(visible: boolean): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(visible ? 'visible' : 'hidden');
  document.dispatchEvent(new Event('visibilitychange'));
}

async function open(): Promise<void> {
  render(<App />);
  await pass(0);
}

const panel = (name: string) => within(screen.getByRole('region', { name }));
/** A line of the pipeline's health: its sign and what it says. */
function health(name: string): (string | null | undefined)[] {
  const line = screen.getByRole('heading', { level: 3, name }).closest('li');
  return [line?.querySelector('svg')?.getAttribute('aria-label'), line?.querySelector('p')?.textContent];
}

describe('the four panels', () => {
  test('show today beside yesterday until the same time of day', async () => {
    await open();
    const users = panel('Active users');
    expect(users.getAllByRole('definition').map((each) => each.textContent)).toEqual([
      '412380 a day earlier +8%',
      '1,8761,921 a day earlier −2%',
      '5,310',
    ]);
    const study = panel('Study time');
    expect(study.getAllByRole('definition').map((each) => each.textContent)).toEqual([
      '105\u00a0h',
      '85\u00a0h\u00a020\u00a0min +23%',
    ]);
    expect(study.getByRole('figure').querySelector('figcaption')?.textContent).toBe('Hours of study per day');
    expect(panel('Feature usage').getByRole('img').getAttribute('aria-label')).toBe(
      'Uses today: Flashcards 3,204 (yesterday 2,875), Quizzes 811 (yesterday 1,020), Mind maps 240 (yesterday 0).',
    );
    expect(panel('Maestro popularity').getByRole('img').getAttribute('aria-label')).toMatch(
      /^Selections today: Archimede 310 \(yesterday 280\), Maria Montessori 255 \(yesterday 301\), /,
    );
  });

  test('are Italian for an Italian browser, and in the language that was chosen from then on', async () => {
    vi.mocked(vi.spyOn(window.navigator, 'language', 'get')).mockReturnValue('it-IT');
    await open();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Convergio Panoramica');
    expect(document.documentElement.lang).toBe('it');
    press('English');
    expect(document.title).toBe('Overview · Convergio');
    cleanup();
    await open();
    expect(panel('Active users')).toBeTruthy();
  });

  test('say how to get numbers while there are none', async () => {
    says = EMPTY;
    await open();
    expect(screen.getByRole('heading', { name: 'No events yet' })).toBeTruthy();
    expect(screen.getByText(/^convergio simulate/)).toBeTruthy();
    expect(screen.queryByRole('heading', { name: 'Study time' })).toBeNull();
    expect(health('Gateway → Kafka → processor')).toEqual([
      'For your information',
      'no event has come through yet',
    ]);
  });
});

describe('the exporter is asked', () => {
  test('five seconds after each answer, also under StrictMode', async () => {
    render(
      <StrictMode>
        <App />
      </StrictMode>,
    );
    await pass(0);
    const first = asked.length;
    await pass(4_999);
    expect(asked).toHaveLength(first);
    says = { ...SAMPLE, activeUsers: [{ period: '1h', users: 413, dayBefore: 380 }] };
    await pass(1);
    expect(asked).toHaveLength(first + 1);
    expect(panel('Active users').getByText('413')).toBeTruthy();
    await pass(20_000);
    expect(asked).toHaveLength(first + 5);
  });

  test('not while the page is hidden, and at once when it is seen again', async () => {
    await open();
    setVisible(false);
    await pass(60_000);
    expect(asked).toHaveLength(1);
    setVisible(true);
    await pass(0);
    expect(asked).toHaveLength(2);
    await pass(5_000);
    expect(asked).toHaveLength(3);
  });
});

describe('the operator token', () => {
  beforeEach(() => {
    says = (authorization) => {
      if (authorization === null) return { status: 401, type: 'token-missing' };
      return authorization === 'Bearer right' ? SAMPLE : { status: 403, type: 'token-wrong' };
    };
  });

  async function type(token: string): Promise<void> {
    const input = screen.getByLabelText('Operator token');
    fireEvent.change(input, { target: { value: token } });
    press('Show the numbers');
    await pass(0);
  }

  test('is asked for, sent as a header, and kept for this tab alone', async () => {
    await open();
    expect(screen.queryByRole('heading', { name: 'Study time' })).toBeNull();
    await type('wrong');
    expect(screen.getByRole('alert').textContent).toBe(
      'That is not the operator token. Check it and try again.',
    );
    await type('right');
    expect(panel('Active users').getByText('412')).toBeTruthy();
    expect(asked.at(-1)).toBe('Bearer right');
    expect(JSON.stringify({ ...window.localStorage })).not.toContain('right');
    cleanup();
    await open();
    expect(panel('Active users').getByText('412')).toBeTruthy();
  });

  test('is forgotten on demand, and the numbers with it', async () => {
    await open();
    await type('right');
    press('Forget the token');
    await pass(0);
    expect(screen.queryByRole('region', { name: 'Active users' })).toBeNull();
    expect(screen.getByLabelText('Operator token')).toBeTruthy();
    expect(window.sessionStorage).toHaveLength(0);
  });

  test('that is no longer right takes the numbers away', async () => {
    await open();
    await type('right');
    says = { status: 403, type: 'token-wrong' };
    await pass(5_000);
    expect(screen.queryByRole('region', { name: 'Active users' })).toBeNull();
    expect(screen.getByRole('alert').textContent).toMatch(/not the operator token/);
  });

  test('is sent as the bytes of its UTF-8', async () => {
    await open();
    await type('tokén€');
    expect(asked.at(-1)).toBe('Bearer tok\u00c3\u00a9n\u00e2\u0082\u00ac');
  });

  test('is asked for until it is there, whatever happens meanwhile', async () => {
    await open();
    const input = screen.getByLabelText('Operator token');
    fireEvent.change(input, { target: { value: 'half a tok' } });
    await pass(60_000);
    expect(asked).toHaveLength(1);
    setVisible(true);
    await pass(0);
    expect(asked).toHaveLength(1);
    await type('wrong');
    says = 'nothing';
    await type('right');
    expect(screen.getByLabelText('Operator token')).toBe(input);
    expect(screen.getByRole('alert').textContent).toMatch(/does not answer/);
    says = SAMPLE;
    await pass(5_000);
    expect(panel('Active users').getByText('412')).toBeTruthy();
  });

  test('that is too long for any header is answered, too', async () => {
    await open();
    await type('x'.repeat(300_000));
    expect(screen.getByRole('alert').textContent).toMatch(/not the operator token/);
  });

  test('leaves the focus on something that is there', async () => {
    await open();
    const input = screen.getByLabelText('Operator token');
    input.focus();
    await type('right');
    expect(document.activeElement).toBe(screen.getByRole('heading', { level: 1 }));
    screen.getByRole('button', { name: 'Forget the token' }).focus();
    press('Forget the token');
    await pass(0);
    expect(document.activeElement).toBe(screen.getByLabelText('Operator token'));
  });

  test('that cannot be a header is wrong, without asking', async () => {
    await open();
    await type('tok\u0007n');
    expect(screen.getByRole('alert').textContent).toMatch(/not the operator token/);
    expect(asked).toEqual([null]);
  });

  test('cannot be typed where none is configured', async () => {
    says = { status: 403, type: 'operators-disabled' };
    await open();
    expect(screen.queryByLabelText('Operator token')).toBeNull();
    expect(screen.getByText(/CONVERGIO_OPERATOR_TOKEN/)).toBeTruthy();
  });
});

describe('trouble', () => {
  test('an exporter that does not answer leaves its last numbers, and is asked again on demand', async () => {
    await open();
    says = 'nothing';
    await pass(125_000);
    expect(panel('Active users').getByText('412')).toBeTruthy();
    expect(screen.getByText('Not up to date')).toBeTruthy();
    expect(screen.getByText(/These are the last numbers it gave/)).toBeTruthy();
    expect(health('Exporter')).toEqual(['Needs attention', 'does not answer; last answer 2 minutes ago']);
    expect(health('ClickHouse')).toEqual(['For your information', 'unknown; last read 2 minutes ago']);
    expect(health('Gateway → Kafka → processor')[0]).toBe('For your information');
    expect(health('Erasures')[0]).toBe('For your information');
    says = SAMPLE;
    screen.getByRole('button', { name: 'Try again' }).focus();
    press('Try again');
    await pass(0);
    expect(document.activeElement).toBe(screen.getByRole('heading', { level: 1 }));
    expect(screen.getByText('Live')).toBeTruthy();
    expect(health('Exporter')).toEqual(['Good', 'answers; version 0.1.0']);
  });

  test('what was read before an outage is not said to be so now', async () => {
    await open();
    says = 'nothing';
    await pass(10_000);
    expect(health('Gateway → Kafka → processor')).toEqual([
      'For your information',
      'the newest stored event that was read came 14 seconds ago',
    ]);
    says = {
      ...SAMPLE,
      health: { ...SAMPLE.health, clickhouse: { ...SAMPLE.health.clickhouse, readable: false } },
    };
    await pass(5_000);
    expect(health('Erasures')).toEqual([
      'For your information',
      'at the last reading no rows of erased users waited to be deleted',
    ]);
  });

  test('a ClickHouse that an exporter has not read since its start is not well', async () => {
    await open();
    says = { status: 503, type: 'clickhouse-unavailable' };
    await pass(125_000);
    expect(health('ClickHouse')).toEqual([
      'Needs attention',
      'cannot be read; last read 2 minutes ago, failed attempts: 0',
    ]);
    expect(health('Exporter')[0]).toBe('Good');
  });

  test.each([
    ['nothing', 'The exporter cannot be reached'],
    [{ status: 503, type: 'clickhouse-unavailable' }, 'No numbers yet'],
    [{ status: 429, type: 'rate-limited' }, 'Too many requests'],
    [{ status: 502, type: 'html of a proxy' }, 'The exporter cannot be reached'],
  ] as [Said, string][])('before any number: %j', async (said, title) => {
    says = said;
    await open();
    expect(screen.getByRole('heading', { level: 2 }).textContent).toBe(title);
    expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
    says = SAMPLE;
    await pass(5_000);
    expect(panel('Active users').getByText('412')).toBeTruthy();
  });

  test('numbers that are old say so, and each part says what is known of it', async () => {
    says = STALE;
    await open();
    expect(
      screen.getByText('ClickHouse was last read 30 minutes ago; the numbers are as they were then.'),
    ).toBeTruthy();
    expect(health('ClickHouse')).toEqual([
      'Needs attention',
      'cannot be read; last read 30 minutes ago, failed attempts: 214',
    ]);
    expect(health('Gateway → Kafka → processor')[0]).toBe('For your information');
    expect(health('Erasures')).toEqual([
      'Needs attention',
      '3 hidden, with rows that wait to be deleted; the oldest was carried out 3 hours ago',
    ]);
  });
});
