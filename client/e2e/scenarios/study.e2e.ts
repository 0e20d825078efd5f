import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import type { ClickHouse, Stored } from '../harness/clickhouse.js';
import type { Relay } from '../harness/relay.js';
import { studyScenario } from '../harness/scenario.js';
import { until } from '../harness/until.js';

const SECRET = 'what is a lever?';

/** What a student does in a few minutes: chooses a maestro, turns cards, finishes a quiz, asks, looks at the map. */
async function studyABit(page: Page, origin: string): Promise<void> {
  const to = (name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();

  await page.goto(origin);
  await page
    .getByRole('button', { name: /^Choose:/ })
    .first()
    .click();
  await to('Flashcards');
  for (let card = 0; card < 2; card += 1) {
    await press('Show the answer');
    await press('I knew it');
  }
  await to('Quiz');
  for (let question = 1; question <= 5; question += 1) {
    await page.getByRole('radio').first().check();
    await press('Check');
    await press(question < 5 ? 'Next question' : 'See the result');
  }
  await to('Chat');
  for (let message = 0; message < 3; message += 1) {
    await page.getByLabel('Your message').fill(SECRET);
    await press('Send');
  }
  await to('Mind map');
  await to('Statistics');
}

/** The four numbers of today, by their names. */
const numbers = (page: Page) =>
  page
    .locator('.convergio-numbers > div')
    .evaluateAll((cards) =>
      Object.fromEntries(
        cards.map((card) => [card.querySelector('dt')?.textContent, card.querySelector('dd')?.textContent]),
      ),
    );

const features = (page: Page) =>
  page.getByRole('img', { name: /^Uses in the last 7 days/ }).getAttribute('aria-label');

/** Everything this person has done, as stored, once all that was sent is there. */
async function storedOf(relay: Relay, clickhouse: ClickHouse): Promise<Stored[]> {
  const sent = () => new Set(relay.batches.flatMap((batch) => batch.events.map((event) => event.eventId)));
  const session = relay.batches[0]?.events[0]?.sessionId ?? '';
  const rows = await until(
    'everything sent is stored',
    () => clickhouse.ofSession(session),
    (all) => all.length === sent().size,
  );
  expect(new Set(rows.map((row) => row.user_id)).size).toBe(1);
  expect(new Set(rows.map((row) => row.event_id)).size).toBe(rows.length);
  return rows;
}

describe('the study app', () => {
  studyScenario('shows the numbers that ClickHouse has', async ({ chromium, relay, clickhouse }) => {
    const page = await chromium.context.newPage();
    await studyABit(page, relay.origin);
    await page.getByText('From the server').waitFor();
    await until(
      'all three questions are shown',
      () => numbers(page),
      (shown) => shown.Questions === '3' && shown['Page views'] === '6',
    );

    const rows = await storedOf(relay, clickhouse);
    const count = (action: string) => rows.filter((row) => row.action === action).length;
    expect(await numbers(page)).toMatchObject({
      Sessions: `${count('session_start')}`,
      Questions: `${count('message_sent')}`,
      'Page views': `${count('page_view')}`,
    });
    expect(await features(page)).toBe(
      `Uses in the last 7 days: Flashcards ${count('flashcard_review')}, ` +
        `Quizzes ${count('quiz_complete')}, Mind maps ${count('mind_map_view')}.`,
    );
    expect(count('flashcard_review')).toBe(2);
    expect(count('maestro_selected')).toBe(1);
    expect(relay.sentTwice).toEqual([]);
    const wire = JSON.stringify(relay.batches.flatMap((batch) => batch.events));
    expect(wire).not.toContain(SECRET);
  });

  studyScenario('shows what this browser counted when it is offline', async ({ chromium, relay }) => {
    const page = await chromium.context.newPage();
    await studyABit(page, relay.origin);
    await page.getByText('From the server').waitFor();
    await until(
      'all page views are shown',
      () => numbers(page),
      (shown) => shown['Page views'] === '6',
    );
    const online = await numbers(page);
    await chromium.context.setOffline(true);
    await page.getByText('From this browser').waitFor();
    expect(await numbers(page)).toEqual(online);
  });

  studyScenario(
    'stops counting at the switch, and forgets on demand',
    async ({ chromium, relay, clickhouse }) => {
      const page = await chromium.context.newPage();
      await studyABit(page, relay.origin);
      await page.getByText('From the server').waitFor();
      const [known] = await storedOf(relay, clickhouse);

      await page.getByRole('switch').click();
      await relay.until('the gateway knows', () =>
        relay.asked.some((asked) => asked.path.endsWith('/consent') && asked.status === 204),
      );
      const batches = relay.batches.length;
      await page.getByRole('navigation').getByRole('link', { name: 'Mind map' }).click();
      await page.getByRole('navigation').getByRole('link', { name: 'Statistics' }).click();

      await page.getByRole('button', { name: 'Delete my data…' }).click();
      await page.getByRole('button', { name: 'Delete everything' }).click();
      await page.getByText('Your data has been deleted.').waitFor();
      await until(
        'nothing of this person is stored',
        () => clickhouse.ofUser(known?.user_id ?? ''),
        (rows) => rows.length === 0,
      );
      await page.getByText('Nothing here yet').waitFor();
      expect(relay.batches).toHaveLength(batches);
    },
  );
});
