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
      'the error is reported',
      () => chromium.complaints.length,
      (count) => count > 0,
    );
    expect(chromium.complaints.splice(0).join()).toContain('what somebody typed');
    await page.click('text=Elsewhere');
    const names = () => relay.batches.flatMap((batch) => batch.events.map((event) => event.action));
    await relay.until('page_load and interaction_time are sent', () =>
      ['page_load', 'interaction_time', 'client_error'].every((action) => names().includes(action)),
    );
    const [own] = await visitor.stored();
    const rows = await until(
      'they are stored',
      () => clickhouse.ofSession(own?.session_id ?? ''),
      (all) => all.length === 5,
    );
    const of = (action: string) => rows.filter((row) => row.action === action);
    expect(of('page_load')).toMatchObject([{ category: 'performance', label: 'LCP' }]);
    expect(of('page_load')[0]?.value).toBeGreaterThan(0);
    expect(of('interaction_time')).toMatchObject([{ category: 'performance', label: 'INP' }]);
    expect(of('client_error')).toMatchObject([{ category: 'error', label: 'TypeError' }]);
    expect(JSON.parse(of('client_error')[0]?.metadata ?? '')).toMatchObject({ file: /\.js$/ });
    expect(relay.batches.map((batch) => batch.body.toString('latin1')).join()).not.toContain('typed');
    expect(JSON.stringify(rows)).not.toContain('typed');
  },
);
