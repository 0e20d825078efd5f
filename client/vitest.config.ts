import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['{core,react,study,overview}/test/**/*.test.{ts,tsx}'],
    setupFiles: ['core/test/seed.ts'],
    restoreMocks: true,
    // How long a test takes says nothing about what it tests; this only ends one that hangs.
    testTimeout: 60_000,
  },
});
