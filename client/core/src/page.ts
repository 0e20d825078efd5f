/** What happens to a page, as far as telemetry cares. */
export interface PageEvents {
  /** It may be gone after this, without another word. */
  hidden: () => void;
  /** It goes, perhaps to come back out of the back/forward cache. */
  left: () => void;
  returned: () => void;
  online: () => void;
  /** Another tab wrote the key `name`. */
  changed: () => void;
}

export function watchPage(window: Window, name: string, signal: AbortSignal, on: PageEvents): void {
  const listen = (type: string, listener: (event: Event) => void) =>
    window.addEventListener(type, listener, { signal });
  // On the window, to which the document's event rises: web-vitals has said its last by then.
  listen('visibilitychange', () => {
    if (window.document.visibilityState === 'hidden') on.hidden();
  });
  listen('pagehide', () => {
    on.hidden();
    on.left();
  });
  listen('pageshow', (event) => {
    if ((event as PageTransitionEvent).persisted) on.returned();
  });
  listen('online', on.online);
  listen('storage', (event) => {
    const { key } = event as StorageEvent;
    if (key === name || key === null) on.changed();
  });
}
