import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { until } from './until.js';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--disable-quic',
  '--disable-component-update',
  '--disable-sync',
  '--disable-background-networking',
];
/** What Chromium writes about answers that are no success: the page may well be meant to bear them. */
const NETWORK = /^Failed to load resource/;

/** What may be different in one scenario. */
export interface Settings extends Pick<BrowserContextOptions, 'extraHTTPHeaders'> {
  /** Flags of Chromium or of playwright that are left out. */
  without?: string[];
}

/** A Chromium with a profile of its own, which outlives a crash and a restart. */
export class Chromium {
  /** Errors of pages, and what they wrote as errors; policy violations are among them. */
  readonly complaints: string[] = [];
  private running: { context: BrowserContext; pid: number } | undefined;

  private constructor(
    /** Where it keeps everything. */
    readonly profile: string,
    private readonly settings: Settings,
  ) {}

  /** Its profile is a new directory in `directory`. */
  static async start(directory: string, settings: Settings = {}): Promise<Chromium> {
    const browser = new Chromium(await mkdtemp(join(directory, 'profile-')), settings);
    await browser.restart();
    return browser;
  }

  get context(): BrowserContext {
    if (this.running === undefined) throw new Error('the browser is not running');
    return this.running.context;
  }

  /** Starts it, with what the profile holds; after `kill` or `quit`. */
  async restart(): Promise<void> {
    const { without = [], ...options } = this.settings;
    const context = await chromium.launchPersistentContext(this.profile, {
      executablePath: EXECUTABLE,
      args: FLAGS,
      ignoreDefaultArgs: without,
      ...options,
    });
    context.on('weberror', ({ error }) => this.complaints.push(`${error()}`));
    context.on('console', (message) => {
      if (message.type() === 'error' && !NETWORK.test(message.text())) this.complaints.push(message.text());
    });
    this.running = { context, pid: await processOf(context) };
  }

  /** Ends the whole browser at once, as a power cut does. */
  async kill(): Promise<void> {
    const { pid } = this.take();
    process.kill(pid, 'SIGKILL');
    await until(
      'the browser is gone',
      () => alive(pid),
      (is) => !is,
    );
  }

  /** Ends it as its user does. */
  async quit(): Promise<void> {
    await this.take().context.close();
  }

  /** Ends the process of one page, as a fault of the browser does. */
  async crash(page: Page): Promise<void> {
    const session = await this.context.newCDPSession(page);
    const crashed = page.waitForEvent('crash');
    session.send('Page.crash').catch(() => undefined); // never answered
    await crashed;
  }

  async remove(): Promise<void> {
    if (this.running !== undefined) await this.quit();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  private take(): { context: BrowserContext; pid: number } {
    const running = this.running;
    if (running === undefined) throw new Error('the browser is not running');
    this.running = undefined;
    return running;
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
