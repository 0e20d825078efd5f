import { useEffect, useRef } from 'react';
import { SLUGS } from './content/types.js';
import { Footer } from './Footer.js';
import { Header } from './Header.js';
import { Chat } from './pages/Chat.js';
import { Flashcards } from './pages/Flashcards.js';
import { Home } from './pages/Home.js';
import { MindMap } from './pages/MindMap.js';
import { Quiz } from './pages/Quiz.js';
import { Settings } from './pages/Settings.js';
import { Statistics } from './pages/Statistics.js';
import { type Preferences, usePreferences } from './preferences.js';
import { type PageName, usePage } from './routes.js';
import { StudyProvider, useStudy } from './study.js';

export function App() {
  const [preferences, change] = usePreferences();
  const page = usePage();
  return (
    <StudyProvider locale={preferences.locale} slug={preferences.maestro ?? SLUGS[0]}>
      <SkipLink />
      <Header page={page} locale={preferences.locale} onLocale={(locale) => change({ locale })} />
      <Main page={page}>{show(page, preferences, change)}</Main>
      <Footer />
    </StudyProvider>
  );
}

function show(page: PageName, preferences: Preferences, change: (changes: Partial<Preferences>) => void) {
  switch (page) {
    case 'home':
      return <Home chosen={preferences.maestro} onChoose={(maestro) => change({ maestro })} />;
    case 'flashcards':
      return <Flashcards />;
    case 'quiz':
      return <Quiz />;
    case 'chat':
      return <Chat />;
    case 'map':
      return <MindMap />;
    case 'statistics':
      return <Statistics />;
    case 'settings':
      return <Settings preferences={preferences} onChange={change} />;
  }
}

function SkipLink() {
  const { texts } = useStudy();
  return (
    <button className="skip" type="button" onClick={() => document.querySelector('main')?.focus()}>
      {texts.skip}
    </button>
  );
}

/** After a navigation the focus is in the new page, so that keyboards and screen readers go on there. */
function Main({ page, children }: { page: PageName; children: React.ReactNode }) {
  const { texts } = useStudy();
  const main = useRef<HTMLElement>(null);
  const shown = useRef(page);
  const name = texts.pages[page];
  useEffect(() => {
    document.title = `${name} · Convergio`;
  }, [name]);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [page]);
  return (
    <main ref={main} tabIndex={-1} className="page">
      {children}
    </main>
  );
}
