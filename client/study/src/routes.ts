import { useSyncExternalStore } from 'react';

/** The pages, in the order of the navigation; a page's address is `#/` and its name. */
export const PAGES = ['home', 'flashcards', 'quiz', 'chat', 'map', 'statistics', 'settings'] as const;
export type PageName = (typeof PAGES)[number];

export const addressOf = (page: PageName) => (page === 'home' ? '#/' : `#/${page}`);

/** The page that the address names; whatever it does not know is the first one. */
export function currentPage(): PageName {
  const name = window.location.hash.replace(/^#\/?/, '');
  return PAGES.find((page) => page === name) ?? 'home';
}

function watch(changed: () => void): () => void {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}

/** The page shown, kept up to date. */
export function usePage(): PageName {
  return useSyncExternalStore(watch, currentPage);
}

/**
 * Tracks the page shown first, and each one navigated to, until the returned function is called. Beside the
 * components, so that no rendering counts a page twice.
 */
export function trackPages(track: (event: 'page_view' | 'route_change', page: PageName) => void): () => void {
  let shown = currentPage();
  track('page_view', shown);
  return watch(() => {
    const next = currentPage();
    if (next === shown) return;
    shown = next;
    track('route_change', next);
    track('page_view', next);
  });
}
