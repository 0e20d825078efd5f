// Checks that the committed generated files are what their sources give: `npm run generated`.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { FILE, render } from '../core/scripts/events.mjs';

/** Which workspace is built into which folder of the repository. */
const PAGES = { study: 'infra/web', overview: 'exporter/web' };
const CLIENT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Every file below a folder, by its path in there.
 * @param {string} folder
 */
async function contents(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(files.map(async (file) => [file.slice(folder.length), await readFile(file)])),
  );
}

/**
 * Names of the files that a build of a page would change, add or remove.
 * @param {string} page its workspace
 * @param {string} folder where its files are committed
 */
async function staleAssets(page, folder) {
  const fresh = await mkdtemp(join(tmpdir(), `convergio-${page}-`));
  try {
    await build({
      configFile: join(CLIENT, page, 'vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: fresh },
    });
    const [built, committed] = await Promise.all([contents(fresh), contents(join(CLIENT, '..', folder))]);
    const names = new Set([...built.keys(), ...committed.keys()]);
    return [...names]
      .filter((name) => !built.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)))
      .map((name) => `${folder}${name}`);
  } finally {
    await rm(fresh, { recursive: true });
  }
}

const stale = [];
for (const [page, folder] of Object.entries(PAGES)) stale.push(...(await staleAssets(page, folder)));
if ((await readFile(FILE, 'utf8')) !== (await render())) stale.push('client/core/src/events.gen.ts');
if (stale.length > 0) {
  console.error(`generated: not what the sources give: ${stale.sort().join(', ')}; run make client`);
  process.exitCode = 1;
} else {
  console.log('generated: the committed files are what the sources give');
}
