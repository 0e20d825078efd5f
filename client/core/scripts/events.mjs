// Makes the event types out of the pipeline's JSON Schema: `npm run events --workspace core`.
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const SCHEMA = new URL('../../../schemas/events.schema.json', import.meta.url);
export const FILE = new URL('../src/events.gen.ts', import.meta.url);

/**
 * The text of `events.gen.ts`: one interface per category, and what the JSON Schema says by if/then.
 * @returns {Promise<string>}
 */
export async function render() {
  const schema = JSON.parse(await readFile(SCHEMA, 'utf8'));
  const types = await compile(schema, 'Batch', {
    bannerComment: '// Generated from schemas/events.schema.json by `npm run events`; not to be edited.',
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    style: { singleQuote: true },
  });
  return `${types}\n/** Actions that are refused without a label. */\nexport type LabelRequired = ${labelRequired(schema)};\n`;
}

/** @param {{ $defs: Record<string, { if?: any, then?: any }> }} schema */
function labelRequired(schema) {
  const actions = Object.values(schema.$defs)
    .filter((kind) => kind.then?.required?.includes('label'))
    .map((kind) => `'${kind.if.properties.action.const}'`);
  return actions.join(' | ') || 'never';
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await writeFile(FILE, await render());
}
