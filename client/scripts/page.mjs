// How a page is built that a service of ours serves: into files whose names never change, and which need no other address.
import { fileURLToPath } from 'node:url';

/**
 * @param {string} name of the workspace, its script and its style sheet
 * @param {string} outDir where the files go, from the workspace's folder
 * @returns {import('vite').UserConfig}
 */
export function page(name, outDir) {
  return {
    root: fileURLToPath(new URL(`../${name}`, import.meta.url)),
    publicDir: fileURLToPath(new URL('../study/public', import.meta.url)),
    // The page may be served from any folder.
    base: './',
    resolve: { conditions: ['source', 'module', 'browser', 'production'] },
    build: {
      outDir,
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
          entryFileNames: `assets/${name}.js`,
          assetFileNames: `assets/${name}[extname]`,
        },
      },
    },
  };
}
