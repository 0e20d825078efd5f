import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePorts } from './ports.js';
import { until } from './until.js';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const CONVERGIO = join(REPOSITORY, '.venv', 'bin', 'convergio');
const START_MS = 120_000;

/** Short waits, so that a scenario about waiting is short; limits that only a scenario about limits would meet; one time zone. */
const SETTINGS = {
  CONVERGIO_ACK_TIMEOUT_SECONDS: '1',
  CONVERGIO_RETRY_AFTER_SECONDS: '2',
  CONVERGIO_MAX_INFLATED_BYTES: '262144',
  CONVERGIO_DRAIN_DELAY_SECONDS: '0',
  CONVERGIO_ADDRESS_REQUESTS_PER_SECOND: '10000',
  CONVERGIO_ADDRESS_REQUESTS_BURST: '100000',
  CONVERGIO_USER_EVENTS_PER_SECOND: '100000',
  CONVERGIO_USER_EVENTS_BURST: '1000000',
  CONVERGIO_OVERVIEW_TIME_ZONE: 'UTC',
};

// Starts a command; ends it in order, and removes the folder it left, when its own input ends: that happens
// however the parent ends.
const GUARD =
  'left=$1; shift; "$@" </dev/null & pid=$!; exec >/dev/null 2>&1; cat; kill -TERM $pid; wait $pid; rm -rf "$left"';

/** The whole pipeline, as `convergio up` runs it. */
export interface Stack {
  readonly gateway: string;
  readonly exporter: string;
  readonly clickhouse: string;
  readonly dataDir: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Stops all of it, in order. Settles when no process is left. */
  stop: () => Promise<void>;
}

/**
 * Starts the pipeline with its data in `directory`, which is removed with all that is in it when the pipeline ends.
 * Settles when the pipeline says that it is ready. Rejects with what it wrote if it does not come to that.
 */
export async function startStack(directory: string): Promise<Stack> {
  const dataDir = join(directory, 'data');
  const first = await freePorts(7);
  const [ingest, exporter, processor, clickhouse, audit, kafka] = [
    first,
    first + 1,
    first + 2,
    first + 3,
    first + 4,
    first + 5,
  ];
  const environment = {
    ...withoutSettings(process.env),
    ...SETTINGS,
    PYTHONPATH: REPOSITORY,
    CONVERGIO_KAFKA_BOOTSTRAP: `127.0.0.1:${kafka}`,
    CONVERGIO_CLICKHOUSE_PORT: `${clickhouse}`,
  };
  const options = {
    '--data-dir': dataDir,
    '--ingest-port': ingest,
    '--exporter-port': exporter,
    '--processor-port': processor,
    '--clickhouse-port': clickhouse,
    '--audit-port': audit,
    '--kafka-port': kafka,
    '--ingest': 1,
  };
  const command = [
    CONVERGIO,
    'up',
    ...Object.entries(options).flatMap(([name, value]) => [name, `${value}`]),
  ];
  // A process group of its own: Ctrl-C ends the run, and the end of the run ends the pipeline.
  const guard = spawn('sh', ['-c', GUARD, 'convergio-up', directory, ...command], {
    cwd: REPOSITORY,
    env: environment,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stop = () => ended(guard);
  try {
    await ready(guard);
  } catch (failed) {
    await stop();
    throw failed;
  }
  return {
    gateway: `http://127.0.0.1:${ingest}`,
    exporter: `http://127.0.0.1:${exporter}`,
    clickhouse: `http://127.0.0.1:${clickhouse}`,
    dataDir,
    environment,
    stop,
  };
}

/** Starts one more exporter over the same ClickHouse, with settings of its own; it ends when `stop` is called. */
export async function startExporter(
  clickhouse: string,
  settings: Record<string, string>,
): Promise<{ address: string; stop: () => Promise<void> }> {
  const port = await freePorts(1);
  const exporter = spawn('sh', ['-c', GUARD, 'convergio-export', '', CONVERGIO, 'export'], {
    cwd: REPOSITORY,
    env: {
      ...withoutSettings(process.env),
      ...settings,
      PYTHONPATH: REPOSITORY,
      CONVERGIO_CLICKHOUSE_PORT: new URL(clickhouse).port,
      CONVERGIO_EXPORTER_PORT: `${port}`,
    },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const address = `http://127.0.0.1:${port}`;
  const ready = () =>
    fetch(`${address}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
  const stop = () => ended(exporter);
  try {
    await until('the exporter is ready', ready, Boolean);
  } catch (failed) {
    await stop();
    throw failed;
  }
  return { address, stop };
}

/** Compares what Kafka was given with what ClickHouse shows. Rejects with the report unless every event is there once. */
export async function audit(stack: Stack): Promise<void> {
  try {
    await promisify(execFile)(CONVERGIO, ['audit'], { cwd: REPOSITORY, env: stack.environment });
  } catch (failed) {
    const { stdout = '', stderr = '' } = failed as { stdout?: string; stderr?: string };
    throw new Error(`convergio audit found mistakes\n${stdout}${stderr}`);
  }
}

/** The process id of one service, for example `kafka`. */
export async function pidOf(dataDir: string, service: string): Promise<number> {
  return Number(await readFile(join(dataDir, 'run', `${service}.pid`), 'utf8'));
}

async function ready(guard: ChildProcess): Promise<void> {
  let output = '';
  const written = new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      if (/^ready$/m.test(output)) resolve();
    };
    guard.stdout?.on('data', read).once('end', () => reject(new Error('ended before it was ready')));
    guard.stderr?.on('data', read);
    guard.once('error', reject);
  });
  const late = new AbortController();
  const patience = delay(START_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`was not ready within ${START_MS / 1000} s`);
  });
  patience.catch(() => undefined);
  try {
    await Promise.race([written, patience]);
  } catch (failed) {
    throw new Error(`convergio up ${failed instanceof Error ? failed.message : failed}:\n${output}`);
  } finally {
    late.abort();
  }
}

async function ended(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) return;
  guard.stdin?.end();
  await once(guard, 'exit');
}

function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('CONVERGIO_')));
}
