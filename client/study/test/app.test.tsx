// @vitest-environment jsdom
import { cleanup, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { App } from '../src/App.js';
import * as en from '../src/content/en.js';
import { renderRecorded } from './recorder.js';

const press = (name: string | RegExp) => userEvent.click(screen.getByRole('button', { name }));

beforeEach(() => {
  window.localStorage.clear();
  window.location.hash = '';
  window.scrollTo = () => {};
  vi.spyOn(window.navigator, 'language', 'get').mockReturnValue('en-GB');
});
afterEach(cleanup);

function open(page: string, state?: Parameters<typeof renderRecorded>[1]) {
  window.location.hash = `#/${page}`;
  return renderRecorded(<App />, state);
}

describe('what is counted', () => {
  test('choosing a maestro is counted under the slug, and kept for the other pages', async () => {
    const tracked = open('');
    await press('Choose: Hypatia');
    expect(tracked).toEqual(['maestro maestro_selected {"label":"ipazia"}']);
    cleanup();
    open('chat');
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Chat with Hypatia');
  });

  test('a card that was known counts 1 and one that was not counts 0', async () => {
    const tracked = open('flashcards');
    await press('Show the answer');
    await press('I knew it');
    await press('Show the answer');
    await press('Again');
    expect(tracked).toEqual([
      'education flashcard_review {"label":"lever","value":1}',
      'education flashcard_review {"label":"buoyancy","value":0}',
    ]);
  });

  test('a quiz is counted once it is complete, with the share of right answers in percent', async () => {
    const tracked = open('quiz');
    for (const [index, { right, options }] of en.content.questions.entries()) {
      const choice = index < 3 ? right : (right + 1) % options.length;
      expect(tracked).toEqual([]);
      await userEvent.click(screen.getByRole('radio', { name: options[choice] as string }));
      await press('Check');
      await press(index < 4 ? 'Next question' : 'See the result');
    }
    expect(tracked).toEqual(['education quiz_complete {"label":"maestri","value":60}']);
    expect(screen.getByText('60 %')).toBeTruthy();
  });

  test('a message is counted and answered, and its text is in no event', async () => {
    const tracked = open('chat');
    await userEvent.type(screen.getByRole('textbox'), 'my secret{Enter}');
    expect(within(screen.getByRole('log')).getByText('my secret')).toBeTruthy();
    expect(tracked).toEqual(['conversation message_sent {"label":"archimede"}']);
  });

  test('an empty message is no message', async () => {
    const tracked = open('chat');
    await userEvent.type(screen.getByRole('textbox'), '   {Enter}');
    expect(tracked).toEqual([]);
  });

  test('a mind map is counted when it is opened', () => {
    expect(open('map')).toEqual(['education mind_map_view {"label":"archimede"}']);
  });

  test('settings are counted as they change, and take effect', async () => {
    const tracked = open('settings');
    await userEvent.click(screen.getByRole('checkbox', { name: 'Larger text' }));
    await userEvent.click(screen.getByRole('checkbox', { name: 'Easy reading' }));
    await userEvent.click(screen.getByRole('checkbox', { name: 'Larger text' }));
    expect(tracked).toEqual([
      'accessibility setting_changed {"label":"larger_text","value":1}',
      'accessibility mode_activated {"label":"easy_reading"}',
      'accessibility setting_changed {"label":"larger_text","value":0}',
    ]);
    expect(document.documentElement.className).toBe('calm');
  });
});

describe('the frame', () => {
  test('the language changes every text, the document says so, and it is kept', async () => {
    open('');
    expect(document.documentElement.lang).toBe('en');
    await press('Italiano');
    expect(document.documentElement.lang).toBe('it');
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Con chi studi oggi?');
    cleanup();
    open('');
    expect(document.documentElement.lang).toBe('it');
  });

  test('without storage the app works as long as the page is open', async () => {
    vi.spyOn(Storage.prototype, 'getItem').mockImplementation(() => {
      throw new DOMException('no', 'SecurityError');
    });
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    open('');
    await press('Choose: Dante');
    expect(screen.getByRole('heading', { name: 'Study with Dante' })).toBeTruthy();
  });

  test('after a navigation the focus is in the new page, which the title names', async () => {
    open('');
    await userEvent.click(screen.getByRole('link', { name: 'Quiz' }));
    expect((await screen.findByRole('heading', { level: 1, name: 'Quiz' })).closest('main')).toBe(
      document.activeElement,
    );
    expect(document.title).toBe('Quiz · Convergio');
    expect(screen.getByRole('link', { name: 'Quiz' }).getAttribute('aria-current')).toBe('page');
  });

  test.each([
    [{ accepted: 3 }, '3 events counted'],
    [{ accepted: 1, pending: 2 }, '1 event counted2 waiting'],
    [{ rejected: 1 }, '0 events counted1 refused'],
    [{ delivery: 'unreachable', pending: 4 }, /4 waiting.*cannot be reached/],
    [{ enabled: false }, /telemetry is off/],
  ] as const)('the footer says what became of the events: %j', (state, said) => {
    open('', state);
    expect(screen.getByRole('contentinfo').firstElementChild?.textContent).toMatch(said);
  });
});
