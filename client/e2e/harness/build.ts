import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const APP = fileURLToPath(new URL('../app', import.meta.url));

/** Builds the test pages, with the packages' sources, into `directory`. */
export async function buildApp(directory: string): Promise<void> {
  await build({
    root: APP,
    configFile: false,
    logLevel: 'warn',
    // React does more than once what has to bear it in its development build only.
    define: { 'process.env.NODE_ENV': '"development"' },
    resolve: { conditions: ['source', 'module', 'browser'] },
    build: {
      outDir: directory,
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: { polyfill: false },
      rollupOptions: { input: [`${APP}/index.html`, `${APP}/elsewhere.html`, `${APP}/strict.html`] },
    },
  });
}
