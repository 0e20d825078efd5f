import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import { Chromium, LAUNCH } from './chromium.js';
import { until } from './until.js';

/** A whole browser of one person, with a profile on disk that outlives its end. */
export class KeptChromium extends Chromium {
  private constructor(
    context: BrowserContext,
    /** Where it keeps everything. */
    readonly profile: string,
  ) {
    super(context);
  }

  /** Its profile is a new directory in `directory`. */
  static async start(directory: string): Promise<KeptChromium> {
    const profile = await mkdtemp(join(directory, 'profile-'));
    return new KeptChromium(await chromium.launchPersistentContext(profile, LAUNCH), profile);
  }

  /** Ends the whole browser at once, as a power cut does. */
  async kill(): Promise<void> {
    const pid = await processOf(this.context);
    process.kill(pid, 'SIGKILL');
    await until(
      'the browser is gone',
      () => alive(pid),
      (is) => !is,
    );
  }

  /** Starts it, with what the profile holds; after `kill`. */
  async restart(): Promise<void> {
    this.replace(await chromium.launchPersistentContext(this.profile, LAUNCH));
  }

  async remove(): Promise<void> {
    await this.context.close();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function processOf(context: BrowserContext): Promise<number> {
  const browser = context.browser();
  if (browser === null) throw new Error('the context has no browser to ask');
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pid = processInfo.find((each) => each.type === 'browser')?.id;
  if (pid === undefined) throw new Error('Chromium does not tell its process id');
  return pid;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
