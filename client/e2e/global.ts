import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildApp } from './harness/build.js';
import { ClickHouse } from './harness/clickhouse.js';
import { audit, startStack } from './harness/stack.js';

declare module 'vitest' {
  export interface ProvidedContext {
    gateway: string;
    exporter: string;
    clickhouse: string;
    /** Holds `run/<service>.pid` of every part of the pipeline. */
    dataDir: string;
    /** The built test pages. */
    appDir: string;
    /** For whatever else a scenario keeps on disk; removed when the run ends, however it ends. */
    directory: string;
  }
}

/** Builds the test pages and starts the pipeline, once for all scenarios; at the end everything is reconciled. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'convergio-e2e-'));
  const appDir = join(directory, 'app');
  const [stack] = await Promise.all([startStack(directory), buildApp(appDir)]);
  project.provide('gateway', stack.gateway);
  project.provide('exporter', stack.exporter);
  project.provide('clickhouse', stack.clickhouse);
  project.provide('dataDir', stack.dataDir);
  project.provide('appDir', appDir);
  project.provide('directory', directory);
  return async () => {
    try {
      await audit(stack);
      await new ClickHouse(stack.clickhouse).refuseDoubledLabels();
    } finally {
      await stack.stop();
    }
  };
}
