import { type Format, type Locale, useLanguage } from '@convergio/telemetry-react/charts';
import { useEffect, useState } from 'react';
import { TEXTS, type Texts } from './i18n.js';

const KEY = 'convergio-overview-language';

/** The chosen language, else Italian for browsers that are Italian, else English; the document says which. */
export function useLocale(): [Locale, (locale: Locale) => void] {
  const [locale, setLocale] = useState(chosen);
  useEffect(() => {
    document.documentElement.lang = locale;
    document.title = `${TEXTS[locale].title} · Convergio`;
  }, [locale]);
  return [
    locale,
    (next) => {
      setLocale(next);
      try {
        window.localStorage.setItem(KEY, next);
      } catch {
        // Storage is forbidden: the choice lasts as long as the page.
      }
    },
  ];
}

function chosen(): Locale {
  let kept: string | null = null;
  try {
    kept = window.localStorage.getItem(KEY);
  } catch {
    // As if nothing had been chosen.
  }
  return /^it\b/i.test(kept ?? window.navigator.language) ? 'it' : 'en';
}

export interface Words {
  text: Texts;
  format: Format & {
    /** Minutes with units as `duration`, from a hundred hours on in hours alone. */
    long: (minutes: number) => string;
    /** How long ago something was, as `3 seconds ago`; what lies ahead is now. */
    ago: (seconds: number) => string;
    /** `12 ms` or `1.2 s`. */
    seconds: (seconds: number) => string;
    /** The growth from `before` to `now`, as `+12%`; null where it grew from nothing. */
    change: (now: number, before: number) => string | null;
    /** Of a moment, in the browser's zone, to the second. */
    clock: (instant: string) => string;
    /** Of a calendar day `YYYY-MM-DD`. */
    date: (day: string) => string;
  };
}

/** What the page writes with; inside a `LanguageProvider`. */
export function useWords(): Words {
  const { locale, format } = useLanguage();
  return { text: TEXTS[locale], format: { ...format, ...more(locale, format) } };
}

function more(locale: Locale, format: Format) {
  const relative = new Intl.RelativeTimeFormat(locale);
  const percent = new Intl.NumberFormat(locale, {
    style: 'percent',
    signDisplay: 'exceptZero',
    maximumFractionDigits: 0,
  });
  const one = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  return {
    long: (minutes: number) =>
      minutes < 6_000 ? format.duration(minutes) : `${format.number(Math.round(minutes / 60))}\u00a0h`,
    ago: (seconds: number) => {
      const past = Math.max(0, Math.floor(seconds));
      if (past < 60) return relative.format(-past, 'second');
      if (past < 3_600) return relative.format(-Math.floor(past / 60), 'minute');
      if (past < 48 * 3_600) return relative.format(-Math.floor(past / 3_600), 'hour');
      return relative.format(-Math.floor(past / 86_400), 'day');
    },
    seconds: (seconds: number) =>
      seconds < 1 ? `${Math.max(1, Math.round(1_000 * seconds))}\u00a0ms` : `${one.format(seconds)}\u00a0s`,
    change: (now: number, before: number) =>
      before > 0 ? percent.format((now - before) / before).replace('-', '\u2212') : null,
    clock: (instant: string) =>
      new Intl.DateTimeFormat(locale, {
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
      }).format(new Date(instant)),
    date: (day: string) =>
      new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(day)),
  };
}
