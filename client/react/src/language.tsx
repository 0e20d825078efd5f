import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from 'react';
import { type Format, formatOf } from './format.js';
import { type Locale, TEXTS, type Texts } from './i18n.js';

/** What the parts of the page write with. */
export interface Language {
  locale: Locale;
  text: Texts;
  format: Format;
}

const LanguageContext = createContext<Language | null>(null);

export function LanguageProvider({ locale, children }: { locale: Locale; children: ReactNode }) {
  const language = useMemo(() => ({ locale, text: TEXTS[locale], format: formatOf(locale) }), [locale]);
  return <LanguageContext.Provider value={language}>{children}</LanguageContext.Provider>;
}

export function useLanguage(): Language {
  const language = useContext(LanguageContext);
  if (language === null)
    throw new Error(
      'Parts of the statistics page are used inside the page, or in a <LanguageProvider locale={…}>.',
    );
  return language;
}

/**
 * The asked language, else the document's, else the browser's; Italian if that is Italian, else English.
 * The server cannot know the last two and writes English; the browser corrects that once it has taken over.
 */
export function useLocale(asked: Locale | undefined): Locale {
  const found = useSyncExternalStore(watchDocumentLanguage, pageLocale, () => 'en' as const);
  return asked ?? found;
}

function watchDocumentLanguage(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['lang'] });
  return () => observer.disconnect();
}

function pageLocale(): Locale {
  const language = document.documentElement.lang || navigator.language || '';
  return /^it\b/i.test(language) ? 'it' : 'en';
}
