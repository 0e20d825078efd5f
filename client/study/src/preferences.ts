import { useEffect, useState } from 'react';
import { type Locale, SLUGS, type Slug } from './content/types.js';

/** What this browser remembers about how somebody likes the app. */
export interface Preferences {
  locale: Locale;
  maestro: Slug | null;
  largerText: boolean;
  calm: boolean;
}

const KEY = 'convergio-study';

/** The preferences and a way to change some of them; the document follows, and storage where there is any. */
export function usePreferences(): [Preferences, (changes: Partial<Preferences>) => void] {
  const [preferences, setPreferences] = useState(read);
  useEffect(() => {
    const { documentElement: root } = document;
    root.lang = preferences.locale;
    root.classList.toggle('larger', preferences.largerText);
    root.classList.toggle('calm', preferences.calm);
    write(preferences);
  }, [preferences]);
  return [preferences, (changes) => setPreferences((before) => ({ ...before, ...changes }))];
}

function read(): Preferences {
  const kept = fromStorage();
  return {
    locale: kept.locale === 'it' || kept.locale === 'en' ? kept.locale : browserLocale(),
    maestro: SLUGS.find((slug) => slug === kept.maestro) ?? null,
    largerText: kept.largerText === true,
    calm: kept.calm === true,
  };
}

function fromStorage(): Partial<Record<keyof Preferences, unknown>> {
  try {
    const kept: unknown = JSON.parse(window.localStorage.getItem(KEY) ?? '{}');
    return typeof kept === 'object' && kept !== null ? kept : {};
  } catch {
    return {};
  }
}

function write(preferences: Preferences): void {
  try {
    window.localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // Storage is full or forbidden: the choices last as long as the page.
  }
}

function browserLocale(): Locale {
  return /^it\b/i.test(window.navigator.language) ? 'it' : 'en';
}
