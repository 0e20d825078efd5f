import { LanguageProvider } from '@convergio/telemetry-react/charts';
import { useEffect, useRef } from 'react';
import { Empty } from './Empty.js';
import { Header } from './Header.js';
import { Health } from './Health.js';
import { useLocale, useWords } from './language.js';
import { Panels } from './Panels.js';
import { Status } from './Status.js';
import { TokenForm } from './TokenForm.js';
import { type Reading, useOverview } from './useOverview.js';

/** One look at everything: who studies, how much, with what, and whether the pipeline is well. */
export function App() {
  const [locale, setLocale] = useLocale();
  const reading = useOverview();
  const page = useRef<HTMLDivElement>(null);
  const pressed = useRef(false);
  const { overview, trouble } = reading.view;
  const isLoading = overview === null && trouble === null;

  // What was pressed may be gone when the answer is there: the focus goes to the token's input, else to the title.
  useEffect(() => {
    if (!pressed.current || isLoading || reading.asking) return;
    pressed.current = false;
    if (document.activeElement !== document.body) return;
    const [title, input] = ['h1', 'input'].map((name) => page.current?.querySelector<HTMLElement>(name));
    (input ?? title)?.focus();
  });
  const pressing =
    <Arguments extends unknown[]>(act: (...given: Arguments) => void) =>
    (...given: Arguments) => {
      pressed.current = true;
      act(...given);
    };
  const acts = {
    signIn: pressing(reading.signIn),
    signOut: pressing(reading.signOut),
    retry: pressing(reading.retry),
  };
  return (
    <LanguageProvider locale={locale}>
      <div className="convergio-statistics overview" lang={locale} ref={page}>
        <Header onLocale={setLocale} onSignOut={reading.hasToken ? acts.signOut : null} />
        <main>
          <Status {...reading} {...acts} />
          <Content {...reading} {...acts} />
        </main>
      </div>
    </LanguageProvider>
  );
}

function Content({ view, asking, signIn }: Reading) {
  const { text } = useWords();
  const { overview, receivedMs, trouble, wantsToken } = view;
  // It stays through a moment's trouble: somebody may be typing.
  if (wantsToken) return <TokenForm trouble={trouble} asking={asking} onToken={signIn} />;
  if (overview === null) return trouble === null ? <Loading /> : <Trouble trouble={trouble} />;
  const empty = overview.sinceBeginning.events === 0 && overview.health.newestEvent === null;
  return (
    <>
      {empty && <Empty />}
      <div className="overview-panels">
        {!empty && <Panels overview={overview} />}
        <Health overview={overview} receivedMs={receivedMs} trouble={trouble} />
      </div>
      {!empty && <p className="overview-zone">{text.days(overview.timeZone)}</p>}
    </>
  );
}

function Trouble({ trouble }: { trouble: NonNullable<Reading['view']['trouble']> }) {
  const { title, body } = useWords().text.trouble[trouble];
  return (
    <section className="convergio-card overview-message">
      <h2>{title}</h2>
      <p>{body}</p>
    </section>
  );
}

/** The page's shape while its numbers are on their way. */
function Loading() {
  const { text } = useWords();
  return (
    <div className="overview-panels" aria-busy="true">
      <Blank className="overview-users" title={text.activeUsers.title} />
      {[text.studyTime, text.features, text.maestros, text.health].map(({ title }) => (
        <Blank key={title} title={title} />
      ))}
    </div>
  );
}

function Blank({ title, className = '' }: { title: string; className?: string }) {
  return (
    <section className={`convergio-card ${className}`}>
      <h2>{title}</h2>
      <div className="convergio-blank overview-blank" />
    </section>
  );
}
