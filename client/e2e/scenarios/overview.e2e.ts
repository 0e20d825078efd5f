import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { describe, expect, inject } from 'vitest';
import { EMPTY, problem, SAMPLE, STALE } from '../../overview/test/sample.js';
import type { ClickHouse } from '../harness/clickhouse.js';
import { broken, LOOKS, pictures, sidewards } from '../harness/looks.js';
import { scenario } from '../harness/scenario.js';
import { startExporter } from '../harness/stack.js';
import { until } from '../harness/until.js';

const TOKEN = 'the token of the operators';

/** The overview, of the pipeline's own exporter unless told; and what the page complained of. */
async function open(
  browser: Browser,
  options: BrowserContextOptions = {},
  address = inject('exporter'),
  prepare: (page: Page) => Promise<unknown> = async () => {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  context.on('weberror', (thrown) => complaints.push(`${thrown.error()}`));
  context.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load'))
      complaints.push(message.text());
  });
  await prepare(page);
  await page.goto(`${address}/`);
  return { page, complaints };
}

/** What a bar chart says, by the heading of its card. */
const bars = (page: Page, card: string) =>
  page.getByRole('region', { name: card }).getByRole('img').getAttribute('aria-label');

const lines = (page: Page) => page.locator('.overview-health li').allTextContents();

/** What ClickHouse has of today, in the words of the chart. */
async function usesToday(clickhouse: ClickHouse): Promise<string> {
  const [row] = await clickhouse.query<{ cards: number; quizzes: number; maps: number }>(
    "SELECT countIf(action = 'flashcard_review') AS cards, countIf(action = 'quiz_complete') AS quizzes, " +
      "countIf(action = 'mind_map_view') AS maps FROM events WHERE toDate(occurred_at) = toDate(now('UTC'))",
  );
  return `Uses today: Flashcards ${row?.cards}, Quizzes ${row?.quizzes}, Mind maps ${row?.maps}.`;
}

describe('the overview', () => {
  scenario(
    'counts a new event within seconds, without a reload',
    async ({ browser, visitor, clickhouse }) => {
      const { page, complaints } = await open(browser);
      await page.locator('.overview-status[data-state=live]').waitFor();

      for (let round = 0; round < 2; round += 1) {
        const tab = await visitor.open();
        await visitor.track(tab, 1);
        await tab.evaluate((first) => {
          window.telemetry.track('education', 'flashcard_review');
          if (first) window.telemetry.track('maestro', 'maestro_selected', { label: 'maria-montessori' });
        }, round === 0);
        await visitor.flush(tab);
        await visitor.stored();
        const stored = await usesToday(clickhouse);
        await until(
          'the page has what ClickHouse has',
          () => bars(page, 'Feature usage'),
          (shown) => shown?.replace(/ \(yesterday \d+\)/g, '') === stored,
        );
      }
      expect(await bars(page, 'Feature usage')).toMatch(/Flashcards [1-9]/);
      expect(await bars(page, 'Maestro popularity')).toMatch(/Maria Montessori \d/);
      expect(await lines(page)).toEqual([
        expect.stringMatching(
          /^Gateway → Kafka → processorthe newest event came \d+ seconds? ago and is stored$/,
        ),
        expect.stringMatching(/^ClickHouseread \d+ seconds? ago, in /),
        expect.stringMatching(/^Exporteranswers; version /),
        expect.stringMatching(/^Erasures/),
        'Retentionno day has been closed yet',
      ]);
      expect(await broken(page)).toEqual([]);
      await page.getByRole('button', { name: 'Italiano' }).click();
      expect(await bars(page, 'Uso degli strumenti')).toMatch(/^Utilizzi di oggi: Flashcard \d/);
      expect(await broken(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );

  scenario(
    'asks for the operator token, and keeps it for the tab',
    async ({ browser, clickhouse: _, onTestFinished }) => {
      const exporter = await startExporter(inject('clickhouse'), {
        CONVERGIO_OPERATOR_TOKEN: TOKEN,
        CONVERGIO_OVERVIEW_TIME_ZONE: 'Europe/Rome',
      });
      onTestFinished(exporter.stop);
      const { page, complaints } = await open(browser, {}, exporter.address);
      const input = page.getByLabel('Operator token');
      await input.fill('not this one');
      await input.press('Enter');
      await page.getByText('That is not the operator token.').waitFor();
      expect(await broken(page)).toEqual([]);
      await input.fill(TOKEN);
      await input.press('Enter');
      await page.locator('.overview-status[data-state=live]').waitFor();
      expect(await lines(page)).toHaveLength(5);
      await page.reload();
      await page.locator('.overview-status[data-state=live]').waitFor();
      expect(await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie)).not.toContain(
        TOKEN,
      );
      const other = await page.context().newPage();
      await other.goto(`${exporter.address}/`);
      await other.getByLabel('Operator token').waitFor();
      await page.getByRole('button', { name: 'Forget the token' }).click();
      await page.getByLabel('Operator token').waitFor();
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );
});

const STATES = {
  numbers: SAMPLE,
  empty: EMPTY,
  stale: STALE,
  loading: null,
  token: { status: 401, type: 'token-missing' },
  disabled: { status: 403, type: 'operators-disabled' },
  unread: { status: 503, type: 'clickhouse-unavailable' },
  unreachable: { status: 502, type: '' },
} as const;

for (const [name, answer] of Object.entries(STATES)) {
  scenario(`the overview is accessible, and fits a phone, in state "${name}"`, async ({ browser }) => {
    for (const { locale, theme: colorScheme } of LOOKS) {
      const viewport = { width: 1200, height: 900 };
      const { page, complaints } = await open(
        browser,
        { locale, colorScheme, viewport },
        inject('exporter'),
        (page) =>
          page.route('**/api/overview', (route) => {
            if (answer === null) return;
            return 'status' in answer
              ? route.fulfill({ status: answer.status, json: problem(answer.type) })
              : route.fulfill({ json: answer });
          }),
      );
      const there = answer === null ? '[aria-busy]' : '.overview-message, .overview-health';
      await page.locator(there).first().waitFor();
      if (pictures) {
        const path = join(pictures, `overview-${name}-${locale}-${colorScheme}.png`);
        await page.screenshot({ path, fullPage: true });
      }
      const tables = await page.locator('summary').all();
      for (const table of tables) await table.press('Enter');
      expect(await page.locator('details[open]').count()).toBe(tables.length);
      expect(await broken(page), `${locale}, ${colorScheme}`).toEqual([]);
      for (const width of [360, 320]) {
        await page.setViewportSize({ width, height: 900 });
        expect(await sidewards(page), `${locale}, ${width} px`).toBe(false);
      }
      if (pictures) {
        for (const table of tables) await table.press('Enter');
        await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
        await page.setViewportSize({ width: 360, height: 900 });
        const path = join(pictures, `overview-phone-${name}-${locale}-${colorScheme}.png`);
        await page.screenshot({ path, fullPage: true });
      }
      expect(complaints).toEqual([]);
      await page.context().close();
    }
  });
}
