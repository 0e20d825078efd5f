import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';

const BATCH = 50;

scenario(
  'a batch of fifty events costs at most a hundred bytes an event',
  async ({ visitor, relay, chromium }) => {
    // A student's minute, not a machine's: time passes between two events.
    await chromium.context.addInitScript(() => {
      const now = Date.now;
      let passed = 0;
      Date.now = () => now() + passed;
      Object.assign(window, { pass: (milliseconds: number) => (passed += milliseconds) });
    });
    const page = await visitor.open({ batchSize: BATCH });
    await page.evaluate(
      ({ prefix, count }) => {
        const { track } = window.telemetry;
        const pass = (window as unknown as { pass: (milliseconds: number) => void }).pass;
        const minute = [
          (label: string) => track('navigation', 'page_view', { label }),
          (label: string) =>
            track('education', 'flashcard_review', {
              label,
              value: 1 + Math.random() * 9,
              metadata: { correct: Math.random() < 0.7, deck: 'storia-romana' },
            }),
          (label: string) =>
            track('education', 'flashcard_review', {
              label,
              value: 1 + Math.random() * 9,
              metadata: { correct: Math.random() < 0.7, deck: 'verbi-irregolari' },
            }),
          (label: string) =>
            track('conversation', 'message_sent', {
              label,
              metadata: { words: Math.floor(Math.random() * 40) },
            }),
          (label: string) =>
            track('maestro', 'teaching_interaction', {
              label,
              metadata: { maestro: 'archimede', topic: 'leva' },
            }),
          (label: string) => track('tools', 'tool_created', { label, metadata: { kind: 'mappa' } }),
        ];
        for (let at = 0; at < count; at += 1) {
          pass(300 + Math.random() * 2000);
          minute[at % minute.length]?.(`${prefix}${at}`);
        }
      },
      { prefix: visitor.prefix, count: BATCH - 1 },
    );
    visitor.tracked.push(...Array.from({ length: BATCH - 1 }, (_, at) => `${visitor.prefix}${at}`));
    await visitor.flush(page);
    await visitor.stored();

    const [batch] = relay.batches;
    expect(batch?.headers['content-encoding']).toBe('gzip');
    expect(batch?.events).toHaveLength(BATCH);
    const bytes = (batch?.body.length ?? 0) / BATCH;
    console.log(`${BATCH} events: ${bytes.toFixed(1)} bytes each on the wire`);
    expect(bytes).toBeLessThanOrEqual(100);
  },
);
