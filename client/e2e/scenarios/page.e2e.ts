import { expect } from 'vitest';
import { scenario } from '../harness/scenario.js';
import { until } from '../harness/until.js';

scenario(
  'a page tells how it performed and where it failed, and not what somebody typed',
  async ({ visitor, relay, chromium, clickhouse }) => {
    const page = await visitor.open({ webVitals: true, captureErrors: true });
    await visitor.track(page, 1);
    await visitor.flush(page);
    await page.click('#fail');
    await until(
      'the page has failed',
      () => chromium.complaints.length,
      (count) => count > 0,
    );
    expect(chromium.complaints.splice(0).join()).toContain('what somebody typed');
    await page.click('text=Elsewhere');
    await page.waitForURL(/elsewhere/);
    await visitor.visit(page);
    await visitor.flush(page);

    const [own] = await visitor.stored();
    const rows = await until(
      'five events of that session are stored',
      () => clickhouse.ofSession(own?.session_id ?? ''),
      (all) => all.length === 5,
    );
    const of = (action: string) => rows.filter((row) => row.action === action);
    expect(of('page_load')).toMatchObject([{ category: 'performance', label: 'LCP' }]);
    expect(of('page_load')[0]?.value).toBeGreaterThan(0);
    expect(of('interaction_time')).toMatchObject([{ category: 'performance', label: 'INP' }]);
    expect(of('client_error')).toMatchObject([{ category: 'error', label: 'TypeError' }]);
    expect(JSON.parse(of('client_error')[0]?.metadata ?? '').file).toMatch(/\.js$/);
    expect(JSON.stringify(rows)).not.toContain('typed');
    const sent = relay.batches.flatMap((batch) => batch.events);
    expect(JSON.stringify(sent)).not.toContain('typed');
  },
);

scenario('the slowest interaction is sent as its page goes', async ({ visitor, relay }) => {
  const page = await visitor.open({ webVitals: true });
  await visitor.track(page, 1);
  await visitor.flush(page);
  await page.click('text=Telemetry');
  await page.click('text=Elsewhere');
  await page.waitForURL(/elsewhere/);
  await relay.until(
    'interaction_time is sent',
    () => relay.batches.some((batch) => batch.events.some(({ action }) => action === 'interaction_time')),
    3000,
  );
});
