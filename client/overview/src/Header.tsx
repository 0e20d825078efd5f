import { type Locale, useLanguage } from '@convergio/telemetry-react/charts';
import { useWords } from './language.js';

const LOCALES: Record<Locale, string> = { it: 'Italiano', en: 'English' };

interface HeaderProps {
  onLocale: (locale: Locale) => void;
  /** Null while there is no token to forget. */
  onSignOut: (() => void) | null;
}

export function Header({ onLocale, onSignOut }: HeaderProps) {
  const { locale } = useLanguage();
  const { text } = useWords();
  return (
    <header className="overview-top">
      <img src="./assets/icon.svg" alt="" width="40" height="40" />
      <h1 tabIndex={-1}>
        <span>Convergio</span> {text.title}
      </h1>
      {onSignOut !== null && (
        <button type="button" className="convergio-button" onClick={onSignOut}>
          {text.signOut}
        </button>
      )}
      <fieldset className="overview-languages">
        <legend className="convergio-hidden">{text.language}</legend>
        {(Object.keys(LOCALES) as Locale[]).map((each) => (
          <button
            key={each}
            type="button"
            lang={each}
            aria-label={LOCALES[each]}
            aria-pressed={each === locale}
            onClick={() => onLocale(each)}
          >
            {each.toUpperCase()}
          </button>
        ))}
      </fieldset>
    </header>
  );
}
