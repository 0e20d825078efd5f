import { readdir, readFile } from 'node:fs/promises';
import { inject } from 'vitest';
import { pidOf } from './stack.js';
import { until } from './until.js';

/** Runs `body` while a service of the pipeline stands still: it keeps its connections and answers nothing. */
export async function whilePaused(service: string, body: () => Promise<void>): Promise<void> {
  const pid = await pidOf(inject('dataDir'), service);
  process.kill(pid, 'SIGSTOP');
  try {
    // A thread that waits for a processor notices the signal only when it gets one.
    await until(
      `${service} stands still`,
      () => threadStates(pid),
      (states) => states.every((state) => state === 'T'),
    );
    await body();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

async function threadStates(pid: number): Promise<string[]> {
  const states = [];
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => null);
    // A thread that has ended meanwhile has no state.
    if (stat !== null) states.push(stat.slice(stat.lastIndexOf(')') + 2).charAt(0));
  }
  return states;
}

/** Ends a service at once; `convergio up` starts it again. */
export async function kill(service: string): Promise<void> {
  process.kill(await pidOf(inject('dataDir'), service), 'SIGKILL');
}
