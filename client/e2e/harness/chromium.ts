import { type Browser, type BrowserContext, chromium, type LaunchOptions, type Page } from 'playwright-core';

/** How every Chromium is started here: as people have it, but without what it does of its own accord. */
export const LAUNCH: LaunchOptions = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--disable-quic', '--disable-component-update', '--disable-sync', '--disable-background-networking'],
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
};

/** What Chromium writes about answers that are no success: the page may well be meant to bear them. */
const NETWORK = /^Failed to load resource/;

/** Settles when the browser that scenarios share is there; each has a context of its own in it. */
export function launch(): Promise<Browser> {
  return chromium.launch(LAUNCH);
}

/** One person's browser. It notes what pages complain of. */
export class Chromium {
  /** Errors of pages, and what they wrote as errors; policy violations are among them. */
  readonly complaints: string[] = [];

  constructor(private current: BrowserContext) {
    this.watch(current);
  }

  get context(): BrowserContext {
    return this.current;
  }

  /** Ends the process of one page, as a fault of the browser does. */
  async crash(page: Page): Promise<void> {
    const session = await this.context.newCDPSession(page);
    const crashed = page.waitForEvent('crash');
    session.send('Page.crash').catch(() => undefined); // never answered
    await crashed;
  }

  /** Takes another context for the same person. */
  protected replace(context: BrowserContext): void {
    this.current = context;
    this.watch(context);
  }

  private watch(context: BrowserContext): void {
    context.on('weberror', (thrown) => this.complaints.push(`${thrown.error()}`));
    context.on('console', (message) => {
      if (message.type() === 'error' && !NETWORK.test(message.text())) this.complaints.push(message.text());
    });
  }
}
