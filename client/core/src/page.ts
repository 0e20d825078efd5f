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
  let going = false;
  const look = () => {
    if (window.document.visibilityState !== 'hidden') return;
    hidden();
    if (going) left();
  };
  // On the window, to which the document's event rises: web-vitals has said its last by then. A page that is left while
  // it is seen becomes hidden after `pagehide`.
  listen('visibilitychange', look);
  listen('pagehide', () => {
    going = true;
    hidden();
    look();
  });
  listen<PageTransitionEvent>('pageshow', ({ persisted }) => {
    going = false;
    if (persisted) returned();
  });
  listen('online', online);
  listen<StorageEvent>('storage', ({ key }) => {
    if (key === name || key === null) changed();
  });
}
