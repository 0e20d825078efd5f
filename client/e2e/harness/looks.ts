import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright-core';

/** Where pictures go, e.g. `SCREENSHOTS=../docs/screenshots`; nowhere unless told. */
export const pictures = process.env.SCREENSHOTS;

/** Both languages and both themes; every pair of them where time does not matter. */
export const LOOKS: readonly { locale: 'it' | 'en'; theme: 'light' | 'dark' }[] = [
  { locale: 'it', theme: 'light' },
  { locale: 'en', theme: 'dark' },
  ...(pictures ? [{ locale: 'it', theme: 'dark' } as const, { locale: 'en', theme: 'light' } as const] : []),
];

/** Rules that are broken, each with where. */
export async function broken(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`));
}

/** Whether one has to scroll sidewards. */
export const sidewards = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
