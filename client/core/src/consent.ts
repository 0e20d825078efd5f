/** The gateway's cookie of that name says the same; a page may read and write it. */
const COOKIE = 'convergio_optout';
const THIRTEEN_MONTHS_S = 395 * 24 * 3600;

/** What somebody chose, and when (ms since 1970). */
export interface Choice {
  off: boolean;
  at: number;
  /** Whether the gateway knows. Its cookie lasts, while browsers delete after days what scripts have kept. */
  told?: boolean;
}

export function cookieSaysOff(document: Document): boolean {
  return document.cookie.split('; ').includes(`${COOKIE}=1`);
}

export function writeCookie(document: Document, off: boolean): void {
  document.cookie = `${COOKIE}=1; Path=/; SameSite=Lax; Max-Age=${off ? THIRTEEN_MONTHS_S : 0}`;
}

/** Whether the browser tells every site "do not": Global Privacy Control or Do Not Track. */
export function browserSaysNo(
  navigator: (Navigator & { globalPrivacyControl?: boolean }) | undefined,
): boolean {
  return navigator?.globalPrivacyControl === true || navigator?.doNotTrack === '1';
}
