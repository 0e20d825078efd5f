import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    include: ['scenarios/**/*.e2e.ts'],
    globalSetup: ['./global.ts'],
    // All scenarios share one pipeline, and some of them stop a part of it.
    fileParallelism: false,
    // Loading the browser's driver anew for each file would take longer than most of them.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 120_000,
  },
});
