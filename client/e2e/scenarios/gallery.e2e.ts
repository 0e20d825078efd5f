import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { beforeAll, expect, inject } from 'vitest';
import { STATES, type State } from '../gallery/states.js';
import { Relay } from '../harness/relay.js';
import { scenario } from '../harness/scenario.js';

const GALLERY = fileURLToPath(new URL('../gallery', import.meta.url));
const LOCALES = ['it', 'en'] as const;
const THEMES = ['light', 'dark'] as const;

/** Where pictures go, e.g. `SCREENSHOTS=../docs/screenshots`; nowhere unless told. */
const pictures = process.env.SCREENSHOTS;

let origin = '';

beforeAll(async () => {
  const directory = join(inject('directory'), 'gallery');
  await build({
    root: GALLERY,
    configFile: join(GALLERY, 'vite.config.ts'),
    logLevel: 'warn',
    build: { outDir: directory },
  });
  const relay = await Relay.start(inject('gateway'), directory);
  origin = relay.origin;
  return () => relay.stop();
});

const SOURCES: Record<State, string> = {
  server: 'server',
  newcomer: 'newcomer',
  empty: 'server',
  loading: 'loading',
  offline: 'offline',
  unreachable: 'unreachable',
  wrong: 'unintelligible',
  failed: 'failed',
  off: 'server',
  signal: 'server',
};

async function open(browser: Browser, query: Record<string, string>, width = 1200): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    locale: 'en-GB',
    timezoneId: 'Europe/Rome',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(`${origin}/?${new URLSearchParams(query)}`);
  await page.waitForSelector(`.convergio-origin[data-source=${SOURCES[query.state as State]}]`);
  return page;
}

/** Rules that are broken, each with where. */
async function broken(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`));
}

const sidewards = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);

for (const state of STATES) {
  scenario(`the statistics page is accessible in state "${state}"`, async ({ browser }) => {
    for (const locale of LOCALES) {
      for (const theme of THEMES) {
        const page = await open(browser, { state, locale, theme });
        await page.locator('summary').evaluateAll((all) => {
          for (const summary of all) (summary as HTMLElement).click();
        });
        expect(await broken(page), `${locale}, ${theme}`).toEqual([]);
        if (pictures) {
          await page.reload();
          await page.waitForSelector(`.convergio-origin[data-source=${SOURCES[state]}]`);
          const path = join(pictures, `statistics-${state}-${locale}-${theme}.png`);
          await page.screenshot({ path, fullPage: true });
        }
        await page.context().close();
      }
    }
  });
}

scenario('the statistics page fits a phone, in every state and language', async ({ browser }) => {
  for (const state of STATES) {
    for (const locale of LOCALES) {
      const page = await open(browser, { state, locale, theme: 'light' }, 320);
      expect(await sidewards(page), `${state}, ${locale}`).toBe(false);
      if (pictures && state === 'server') {
        await page.screenshot({ path: join(pictures, `statistics-phone-${locale}.png`), fullPage: true });
      }
      await page.context().close();
    }
  }
});

scenario(
  'deleting is asked for once more, by keyboard alone, and says what came of it',
  async ({ browser }) => {
    const page = await open(browser, { state: 'server', locale: 'en', theme: 'light', deletion: 'fails' });
    const opener = page.getByRole('button', { name: 'Delete my data…' });
    await opener.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await broken(page)).toEqual([]);
    if (pictures) await page.screenshot({ path: join(pictures, 'statistics-deletion-en-light.png') });
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await opener.evaluate((button) => button === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete everything' }).press('Enter');
    await page.getByRole('alert').waitFor();
    await page.context().close();
  },
);
