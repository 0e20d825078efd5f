import type { Locale } from './content/types.js';
import { addressOf, PAGES, type PageName } from './routes.js';
import { useStudy } from './study.js';

const LOCALES: Record<Locale, string> = { it: 'Italiano', en: 'English' };

interface HeaderProps {
  page: PageName;
  locale: Locale;
  onLocale: (locale: Locale) => void;
}

export function Header({ page, locale, onLocale }: HeaderProps) {
  const { texts } = useStudy();
  return (
    <header className="top">
      <a className="brand" href={addressOf('home')}>
        <Logo />
        Convergio
      </a>
      <nav aria-label={texts.navigation}>
        <ul>
          {PAGES.map((each) => (
            <li key={each}>
              <a href={addressOf(each)} aria-current={each === page ? 'page' : undefined}>
                {texts.pages[each]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <fieldset className="languages">
        <legend className="hidden">{texts.language}</legend>
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

/** Lines that converge. */
function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" className="logo-ground" />
      <path d="M6 8l10 8M6 24l10-8M16 16h10" className="logo-lines" />
      <circle cx="16" cy="16" r="3.5" className="logo-point" />
    </svg>
  );
}
