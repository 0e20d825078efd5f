import { inject } from 'vitest';
import { pidOf } from './stack.js';

/** Runs `body` while a service of the pipeline stands still: it keeps its connections and answers nothing. */
export async function whilePaused(service: string, body: () => Promise<void>): Promise<void> {
  const pid = await pidOf(inject('dataDir'), service);
  process.kill(pid, 'SIGSTOP');
  try {
    await body();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/** Ends a service at once; `convergio up` starts it again. */
export async function kill(service: string): Promise<void> {
  process.kill(await pidOf(inject('dataDir'), service), 'SIGKILL');
}
