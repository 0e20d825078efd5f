import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    include: ['scenarios/**/*.e2e.ts'],
    globalSetup: ['./global.ts'],
    setupFiles: ['./harness/orphans.ts'],
    // All scenarios share one pipeline, and some of them stop a part of it.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 120_000,
  },
});
