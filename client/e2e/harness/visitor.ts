import { randomUUID } from 'node:crypto';
import type { Detail, TelemetryOptions } from '@convergio/telemetry';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Chromium } from './chromium.js';
import type { ClickHouse, Stored } from './clickhouse.js';
import type { Relay } from './relay.js';

/** Nothing is sent but what a scenario tracks, and nothing before it says so. */
const QUIET: TelemetryOptions = {
  flushIntervalMs: 3_600_000,
  batchSize: 500,
  webVitals: false,
  captureErrors: false,
};

/** One person in one browser: opens pages, makes events whose labels are known, and finds them again. */
export class Visitor {
  /** Begins all labels of this person. */
  readonly prefix = `e2e-${randomUUID().slice(0, 8)}-`;
  /** Labels of everything tracked so far. */
  readonly tracked: string[] = [];

  constructor(
    private readonly chromium: Chromium,
    private readonly relay: Relay,
    private readonly clickhouse: ClickHouse,
  ) {}

  /** A new tab with the client in it. */
  async open(options: TelemetryOptions = {}, file = ''): Promise<Page> {
    const page = await this.chromium.context.newPage();
    await this.visit(page, options, file);
    return page;
  }

  /** The test page, in a tab that is there. */
  async visit(page: Page, options: TelemetryOptions = {}, file = ''): Promise<void> {
    const search = new URLSearchParams({ options: JSON.stringify({ ...QUIET, ...options }) });
    await page.goto(`${this.relay.origin}/${file}?${search}`);
    await this.begun(page);
  }

  /** Loads the page of this tab again. */
  async reload(page: Page): Promise<void> {
    await page.reload();
    await this.begun(page);
  }

  /** Settles when the page has made contact, and sent what others left: from here on it sends when it is told to. */
  private async begun(page: Page): Promise<void> {
    await page.waitForFunction(() => window.telemetry !== undefined);
    await this.flush(page);
  }

  /** Tracks `count` page views, and returns their labels. */
  async track(page: Page, count: number, detail: Omit<Detail, 'label'> = {}): Promise<string[]> {
    const labels = Array.from({ length: count }, (_, at) => `${this.prefix}${this.tracked.length + at}`);
    this.tracked.push(...labels);
    await page.evaluate(
      (all) => {
        for (const label of all.labels) {
          window.telemetry.track('navigation', 'page_view', { ...all.detail, label });
        }
      },
      { labels, detail },
    );
    return labels;
  }

  /** Settles when the gateway has answered, or not answered, what waited in this tab. */
  async flush(page: Page): Promise<void> {
    await page.evaluate(() => window.telemetry.flush());
  }

  /**
   * Everything this person tracked (but for `except`), as stored: each event exactly once, all of one user.
   * Rejects if one is missing.
   */
  async stored({ except = [] as readonly string[] } = {}): Promise<Stored[]> {
    const expected = this.tracked.filter((label) => !except.includes(label));
    const rows = await this.clickhouse.untilStored(this.prefix, expected);
    expect(rows.map((row) => row.label).sort()).toEqual([...expected].sort());
    expect(new Set(rows.map((row) => row.user_id)).size).toBe(1);
    expect(await this.clickhouse.physicalRows(rows.map((row) => row.event_id))).toBe(expected.length);
    expect(this.relay.madeTwice).toEqual([]);
    return rows;
  }
}
