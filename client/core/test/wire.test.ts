import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { AnyEvent } from '../src/types.js';
import { SimulatedBrowser, Tab } from './simulation/browser.js';
import { Gateway } from './simulation/gateway.js';

/** What a student does in a minute or two, by turns. */
function study(tab: Tab, count: number): void {
  const { track } = tab.telemetry;
  const turns = [
    () => track('navigation', 'page_view', { label: '/flashcards' }),
    () => track('education', 'flashcard_review', { label: 'fractions', value: 1 }),
    () => track('education', 'flashcard_review', { label: 'fractions', value: 0 }),
    () => track('maestro', 'maestro_selected', { label: 'archimede' }),
    () => track('conversation', 'message_sent', { label: 'archimede', metadata: { length: 42 } }),
    () => track('education', 'quiz_complete', { label: 'fractions', value: 80, metadata: { questions: 5 } }),
    () => track('tools', 'tool_created', { label: 'summary' }),
  ];
  for (let n = 0; n < count; n++) turns[n % turns.length]?.();
}

async function sent(count: number): Promise<{ body: Uint8Array; headers: Headers }[]> {
  const browser = new SimulatedBrowser(new Gateway());
  const tab = new Tab(browser, {}, {}, CompressionStream);
  browser.tabs.add(tab);
  const requests: { body: Uint8Array; headers: Headers }[] = [];
  tab.onFetch = (url, { body, headers }) => {
    if (url.endsWith('/events')) requests.push({ body: body as Uint8Array, headers: new Headers(headers) });
  };
  tab.start();
  study(tab, count);
  await tab.telemetry.flush();
  tab.telemetry.stop();
  return requests;
}

test('a batch of fifty is compressed to at most a hundred bytes per event', async () => {
  const [request] = await sent(49);
  expect(request?.headers.get('Content-Encoding')).toBe('gzip');
  const { events } = JSON.parse(gunzipSync(request?.body ?? new Uint8Array()).toString()) as {
    events: AnyEvent[];
  };
  expect(events).toHaveLength(50);
  expect((request?.body.length ?? 0) / 50).toBeLessThanOrEqual(100);
});

test('a few events are sent as they are, since packing them saves nothing worth the work', async () => {
  const [request] = await sent(1);
  expect(request?.headers.get('Content-Encoding')).toBeNull();
  expect(JSON.parse(new TextDecoder().decode(request?.body)).events).toHaveLength(2);
});
