import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const APP = fileURLToPath(new URL('../app', import.meta.url));

/** Builds the test pages, with the packages' sources, into `directory`. */
export async function buildApp(directory: string): Promise<void> {
  await build({
    root: APP,
    configFile: false,
    logLevel: 'warn',
    resolve: { conditions: ['source', 'module', 'browser'] },
    build: {
      outDir: directory,
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: { polyfill: false },
      rollupOptions: { input: [`${APP}/index.html`, `${APP}/elsewhere.html`] },
    },
  });
}
