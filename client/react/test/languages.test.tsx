// @vitest-environment jsdom
import { localStatistics } from '@convergio/telemetry';
import { StatisticsPage } from '@convergio/telemetry-react';
import { act, screen } from '@testing-library/react';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { formatOf } from '../src/format.js';
import { cleanStage, server, show, telemetry, unreachable, week } from './stage.js';

vi.mock('@convergio/telemetry', () => ({ localStatistics: vi.fn() }));

cleanStage();
beforeEach(() => {
  vi.mocked(localStatistics).mockReturnValue(week());
});

const title = () => screen.getByRole('heading', { level: 1 }).textContent;

describe('the language', () => {
  test('is the one asked for, whatever the document’s', async () => {
    await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} locale="it" />);
    expect(title()).toBe('Statistiche');
    expect(screen.getByRole('region', { name: 'Statistiche' }).lang).toBe('it');
  });

  test.each([
    ['it', 'Statistiche'],
    ['it-CH', 'Statistiche'],
    ['IT', 'Statistiche'],
    ['en', 'Statistics'],
    ['de', 'Statistics'],
    ['itl', 'Statistics'],
  ])('of a document in "%s" is that of "%s"', async (lang, expected) => {
    document.documentElement.lang = lang;
    await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
    expect(title()).toBe(expected);
  });

  test('is the browser’s where the document has none', async () => {
    document.documentElement.lang = '';
    vi.spyOn(navigator, 'language', 'get').mockReturnValue('it-IT');
    await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
    expect(title()).toBe('Statistiche');
  });

  test('follows the document', async () => {
    await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} />);
    // A mutation observer tells in a microtask.
    await act(async () => {
      document.documentElement.lang = 'it';
    });
    expect(title()).toBe('Statistiche');
  });
});

test('Italian is Italian throughout', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server().fetch} locale="it" />);
  expect([...document.querySelectorAll('dt')].map((name) => name.textContent)).toEqual([
    'Sessioni',
    'Tempo di studio',
    'Domande',
    'Pagine viste',
  ]);
  expect(document.querySelector('.convergio-origin')?.textContent).toBe('Dal server, aggiornate alle 10:32');
  expect(screen.getByRole('img', { name: 'Coinvolgimento: 62 su 100.' })).toBeDefined();
  expect(screen.getByText('10,5 su 35')).toBeDefined();
  expect(screen.getByRole('img', { name: /il giorno migliore è lunedì 4 maggio/ })).toBeDefined();
  expect(screen.getByRole('switch', { name: 'Raccogli statistiche d’uso' })).toBeDefined();
});

test('so is the way back to the server', async () => {
  await show(<StatisticsPage telemetry={telemetry()} fetch={server(unreachable).fetch} locale="it" />);
  expect(screen.getByText('Da questo browser: il server non è raggiungibile')).toBeDefined();
  expect(screen.getByRole('button', { name: 'Riprova' })).toBeDefined();
});

describe('study time', () => {
  test.each([
    [0, '0 min'],
    [0.01, '< 1 min'],
    [0.4, '< 1 min'],
    [0.5, '1 min'],
    [59.4, '59 min'],
    [59.6, '1 h 00 min'],
    [65, '1 h 05 min'],
    [1500, '25 h 00 min'],
  ])('of %d minutes is %s', (minutes, expected) => {
    expect(formatOf('en').duration(minutes).replaceAll('\u00a0', ' ')).toBe(expected);
  });
});

test('days are the calendar’s, whatever the zone of the browser', () => {
  vi.stubEnv('TZ', 'America/New_York');
  // A moment that is the day before there; otherwise the zone would not matter.
  expect(new Date('2026-05-04').getDate()).toBe(3);
  expect(formatOf('it').day('2026-05-04')).toBe('lunedì 4 maggio');
  expect(formatOf('it').weekday('2026-05-04')).toBe('lun');
  expect(formatOf('it').time('2026-05-04T22:05:00Z', 'Europe/Rome')).toBe('00:05');
  vi.unstubAllEnvs();
});
