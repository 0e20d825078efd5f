// What code weighs in a browser: bundled, minified, gzipped.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

/** @typedef {{ initial: number, later: number }} Weight bytes that a page loads at once, and on demand */

/**
 * The weight of a module's imports and of what they import.
 * @param {string} code an ES module
 * @param {{ root: string, external?: string[] }} where packages are looked for in `root`; `external` ones weigh nothing
 * @returns {Promise<Weight>}
 */
export async function weigh(code, { root, external = [] }) {
  const entry = join(root, 'weighed.mjs');
  const bundle = await rolldown({
    input: entry,
    cwd: root,
    platform: 'browser',
    logLevel: 'silent',
    external: (id) => external.some((name) => id === name || id.startsWith(`${name}/`)),
    resolve: { conditionNames: ['source', 'browser', 'import', 'module', 'default'] },
    transform: { define: { 'process.env.NODE_ENV': '"production"' } },
    moduleTypes: { '.css': 'empty' },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? id : null),
        load: (id) => (id === entry ? code : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: 'es', minify: true });
  const weight = { initial: 0, later: 0 };
  for (const file of output) {
    if (file.type === 'chunk') weight[file.isEntry ? 'initial' : 'later'] += gzipped(file.code);
  }
  return weight;
}

/**
 * The weight of a style sheet and of those it imports by relative path, without comments and indentation.
 * @param {URL} file
 * @returns {Promise<number>}
 */
export async function weighCss(file) {
  return gzipped(await flatten(file.pathname));
}

/** @param {string} path @returns {Promise<string>} */
async function flatten(path) {
  const text = await readFile(path, 'utf8');
  const parts = await Promise.all(
    [...text.matchAll(/@import\s+(?:url\()?['"](\.[^'"]+)['"]\)?;/g)].map(([, name]) =>
      flatten(join(dirname(path), name ?? '')),
    ),
  );
  const own = text.replace(/@import[^;]+;/g, '').replace(/\/\*[\s\S]*?\*\//g, '');
  return parts.join('') + own.replace(/\s*\n\s*/g, '');
}

/** @param {string} text */
function gzipped(text) {
  return gzipSync(text, { level: 9 }).length;
}

/** Kilobytes of 1024 bytes, with one decimal. @param {number} bytes */
export const kilobytes = (bytes) => (bytes / 1024).toFixed(1);
