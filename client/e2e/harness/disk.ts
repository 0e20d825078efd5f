import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.js';

/** Settles when Chromium has written all of `texts` into the files of its local storage. */
export async function untilOnDisk(
  profile: string,
  texts: readonly string[],
  patienceMs = 90_000,
): Promise<void> {
  const directory = join(profile, 'Default', 'Local Storage', 'leveldb');
  await until(
    `${texts.length} events in ${directory}`,
    async () => {
      const files = await readdir(directory).catch(() => []);
      const contents = await Promise.all(
        files.map((file) => readFile(join(directory, file), 'latin1').catch(() => '')),
      );
      const disk = contents.join('');
      return texts.filter((text) => !disk.includes(text)).length;
    },
    (missing) => missing === 0,
    patienceMs,
  );
}
