import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/** As strict as an app may be: the client must need nothing beyond scripts and requests of its own origin. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:";

/** Answers a GET with a file of `directory`. */
export async function servePage(
  directory: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(incoming.url ?? '/', 'http://localhost');
  const file = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
  const body = await readFile(join(directory, file)).catch(() => undefined);
  if (body === undefined) {
    outgoing.writeHead(404).end();
    return;
  }
  outgoing.writeHead(200, {
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Security-Policy': POLICY,
    'Cache-Control': 'no-cache',
  });
  outgoing.end(body);
}
