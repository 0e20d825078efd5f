/** The gateway's cookie of that name says the same; a page may read and write it. */
const COOKIE = 'convergio_optout';
const THIRTEEN_MONTHS_S = 395 * 24 * 3600;

/** What somebody chose, and when (ms since 1970). */
export interface Choice {
  off: boolean;
  at: number;
}

/** Of two tabs' views the later; at the same moment "off" wins. */
export function laterChoice(a: Choice, b: Choice): Choice {
  if (a.at !== b.at) return a.at > b.at ? a : b;
  return a.off ? a : b;
}

export function cookieSaysOff(document: Document): boolean {
  return document.cookie.split('; ').includes(`${COOKIE}=1`);
}

export function writeCookie(document: Document, off: boolean): void {
  const secure = document.location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `${COOKIE}=${off ? 1 : ''}; Path=/; Max-Age=${off ? THIRTEEN_MONTHS_S : 0}; SameSite=Lax${secure}`;
}

/** Whether the browser tells every site "do not": Global Privacy Control or Do Not Track. */
export function browserSaysNo(navigator: Navigator): boolean {
  return (
    (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true ||
    navigator.doNotTrack === '1'
  );
}
