import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright-core';

/** Rules that are broken, each with where. */
export async function broken(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`));
}

/** Whether one has to scroll sidewards. */
export const sidewards = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
