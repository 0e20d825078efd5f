// @vitest-environment jsdom
import { StatisticsPage } from '@convergio/telemetry-react';
import { screen, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { cleanStage, server, show, telemetry, week } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

cleanStage();

/** The cells of a table, row by row, without the spaces that keep words together. */
function cells(table: HTMLElement): (string | undefined)[][] {
  return within(table)
    .getAllByRole('row', { hidden: true })
    .map((row) => [...row.children].map((cell) => cell.textContent?.replaceAll('\u00a0', ' ')));
}

const table = (name: string) => screen.getByRole('table', { name, hidden: true });

test('the week is summed up in the name of its chart', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  const name = screen.getByRole('img', { name: /^Study time of the last 7 days/ }).getAttribute('aria-label');
  expect(name?.replaceAll('\u00a0', ' ')).toBe(
    'Study time of the last 7 days: 2 h 02 min in all, most on Monday, May 4 with 1 h 05 min.',
  );
});

test('a table behind the week holds every day with its study time and sessions', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  expect(cells(table('Minutes of study per day'))).toEqual([
    ['Day', 'Study time', 'Sessions'],
    ['Friday, May 1', '12 min', '1'],
    ['Saturday, May 2', '0 min', '0'],
    ['Sunday, May 3', '0 min', '0'],
    ['Monday, May 4', '1 h 05 min', '2'],
    ['Tuesday, May 5', '0 min', '0'],
    ['Wednesday, May 6', '0 min', '0'],
    ['Thursday, May 7', '45 min', '3'],
  ]);
});

test('today’s bar is marked by a word', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  const today = document.querySelectorAll('.convergio-today');
  expect([...today].map((bar) => bar.textContent)).toEqual(['45Thutoday']);
});

test('the tallest bar is the longest day’s, and a day without study has none', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  const bars = [...document.querySelectorAll('.convergio-week .convergio-bar')];
  const heights = bars.map((bar) => Number.parseFloat(bar.getAttribute('height') ?? ''));
  expect(heights.indexOf(Math.max(...heights))).toBe(3);
  expect(heights[1]).toBe(0);
});

test('features are counted in the name of their chart and in the table behind it', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  expect(
    screen.getByRole('img', { name: 'Uses in the last 7 days: Flashcards 20, Quizzes 2, Mind maps 0.' }),
  ).toBeDefined();
  expect(cells(table('Uses in the last 7 days'))).toEqual([
    ['Tool', 'Uses'],
    ['Flashcards', '20'],
    ['Quizzes', '2'],
    ['Mind maps', '0'],
  ]);
});

test('a feature this page has no word for is shown by the server’s name', async () => {
  const { features, ...others } = week();
  const known = [...features, { feature: 'podcasts', count: 4 }];
  await show(
    <StatisticsPage
      telemetry={telemetry()}
      fetch={server(() => Response.json({ ...others, features: known })).fetch}
    />,
  );
  expect(screen.getByRole('img', { name: /podcasts 4/ })).toBeDefined();
});

test('the score is explained component by component', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  expect(screen.getByRole('img', { name: 'Engagement: 62 of 100.' })).toBeDefined();
  expect(cells(table('Engagement'))).toEqual([
    ['What counts', 'Reached', 'Points'],
    ['Active daysdays on which you did something', '3 of 5', '15 of 25'],
    ['Study timeminutes of your sessions', '45 of 150 min', '10.5 of 35'],
    ['Learningflashcards, quizzes and mind maps', '22 of 40', '13.75 of 25'],
    ['Varietydifferent tools you used', '3 of 5', '9 of 15'],
  ]);
});

test('the ring is closed as far as the score says', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  expect(document.querySelector('.convergio-arc')?.getAttribute('stroke-dasharray')).toBe('62 100');
});

test('each table is opened by a name of its own', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
  const links = [...document.querySelectorAll('summary')];
  expect(links.map((link) => link.textContent)).toEqual([
    'Show as table: Minutes of study per day',
    'Show as table: Uses in the last 7 days',
  ]);
});
