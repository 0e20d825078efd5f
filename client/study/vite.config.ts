import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // The page may be served from any folder.
  base: './',
  resolve: { conditions: ['source', 'module', 'browser', 'production'] },
  build: {
    outDir: '../../infra/web',
    emptyOutDir: true,
    target: 'es2022',
    cssCodeSplit: false,
    modulePreload: false,
    // Nothing in data: URLs: the page's policy allows what comes from its own address.
    assetsInlineLimit: 0,
    license: { fileName: 'assets/licenses.md' },
    rollupOptions: {
      output: {
        // One script and one style sheet. Names without hashes: a build changes files, it never adds any.
        codeSplitting: false,
        entryFileNames: 'assets/study.js',
        assetFileNames: 'assets/study[extname]',
      },
    },
  },
});
