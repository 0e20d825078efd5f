import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { beforeAll, expect, inject } from 'vitest';
import { STATES, type State } from '../gallery/states.js';
import { broken, LOOKS, pictures, sidewards } from '../harness/looks.js';
import { Relay } from '../harness/relay.js';
import { scenario } from '../harness/scenario.js';

const GALLERY = fileURLToPath(new URL('../gallery', import.meta.url));
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

async function open(browser: Browser, query: Record<string, string>): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1200, height: 900 },
    locale: 'en-GB',
    timezoneId: 'Europe/Rome',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(`${origin}/?${new URLSearchParams(query)}`);
  await page.waitForSelector(`.convergio-origin[data-source=${SOURCES[query.state as State]}]`);
  return page;
}

for (const state of STATES) {
  scenario(
    `the statistics page is accessible, and fits a phone, in state "${state}"`,
    async ({ browser }) => {
      for (const { locale, theme } of LOOKS) {
        const page = await open(browser, { state, locale, theme });
        if (pictures) {
          const path = join(pictures, `statistics-${state}-${locale}-${theme}.png`);
          await page.screenshot({ path, fullPage: true });
        }
        const tables = await page.locator('summary').all();
        for (const table of tables) await table.press('Enter');
        expect(await page.locator('details[open]').count()).toBe(tables.length);
        expect(await broken(page), `${locale}, ${theme}`).toEqual([]);
        await page.setViewportSize({ width: 320, height: 900 });
        expect(await sidewards(page), `${locale}, on a phone`).toBe(false);
        if (pictures && state === 'server') {
          await page.screenshot({ path: join(pictures, `phone-${locale}-${theme}.png`), fullPage: true });
        }
        await page.context().close();
      }
    },
  );
}

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
