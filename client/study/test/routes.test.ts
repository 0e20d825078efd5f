// @vitest-environment jsdom
import { beforeEach, expect, test } from 'vitest';
import { currentPage, type PageName, trackPages } from '../src/routes.js';

beforeEach(() => {
  window.location.hash = '';
});

async function goTo(hash: string): Promise<void> {
  const changed = new Promise((resolve) => window.addEventListener('hashchange', resolve, { once: true }));
  window.location.hash = hash;
  await changed;
}

test('an address that names no page shows the first one', () => {
  window.location.hash = '#/nowhere';
  expect(currentPage()).toBe('home');
});

test('the first page is a view, each later one a change of route and a view, until tracking stops', async () => {
  const tracked: [string, PageName][] = [];
  const stop = trackPages((...event) => tracked.push(event));
  await goTo('#/quiz');
  await goTo('#quiz'); // the same page, written otherwise
  await goTo('#/');
  stop();
  await goTo('#/map');
  expect(tracked).toEqual([
    ['page_view', 'home'],
    ['route_change', 'quiz'],
    ['page_view', 'quiz'],
    ['route_change', 'home'],
    ['page_view', 'home'],
  ]);
});
