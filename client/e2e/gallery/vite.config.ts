import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Every state of the statistics page, one at a time; private, for axe and screenshots. */
export default defineConfig({
  root: here('.'),
  base: './',
  // The page from its source; what the browser counted is a fixed sample, so the core is not needed.
  resolve: {
    conditions: ['source'],
    alias: [{ find: /^@convergio\/telemetry$/, replacement: here('./local.ts') }],
  },
  build: { outDir: here('./dist'), emptyOutDir: true },
});
