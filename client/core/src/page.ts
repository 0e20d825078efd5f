/**
 * Tells what happens to a page, as far as telemetry cares.
 *
 * `hidden`: it may be gone after this, without another word. `left`: it goes, perhaps into the back/forward cache, out
 * of which it has `returned`. `changed`: another tab wrote the key `name` in storage.
 */
export function watchPage(
  window: Window,
  name: string,
  signal: AbortSignal,
  hidden: () => void,
  left: () => void,
  returned: () => void,
  online: () => void,
  changed: () => void,
): void {
  const listen = <E extends Event>(type: string, listener: (event: E) => void) =>
    window.addEventListener(type, listener as (event: Event) => void, { signal });
  // On the window, to which the document's event rises: web-vitals has said its last by then.
  listen('visibilitychange', () => {
    if (window.document.visibilityState === 'hidden') hidden();
  });
  listen('pagehide', () => {
    hidden();
    left();
  });
  listen<PageTransitionEvent>('pageshow', ({ persisted }) => {
    if (persisted) returned();
  });
  listen('online', online);
  listen<StorageEvent>('storage', ({ key }) => {
    if (key === name || key === null) changed();
  });
}
