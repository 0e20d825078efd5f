import { LanguageProvider } from '@convergio/telemetry-react/charts';
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
  return (
    <LanguageProvider locale={locale}>
      <div className="convergio-statistics overview" lang={locale}>
        <Header onLocale={setLocale} onSignOut={reading.hasToken ? reading.signOut : null} />
        <main>
          <Status {...reading} />
          <Content {...reading} />
        </main>
      </div>
    </LanguageProvider>
  );
}

function Content({ view, asking, signIn }: Reading) {
  const { text } = useWords();
  const { overview, receivedMs, trouble } = view;
  if (trouble === 'token-missing' || trouble === 'token-wrong') {
    return <TokenForm wrong={trouble === 'token-wrong'} asking={asking} onToken={signIn} />;
  }
  if (overview === null) return trouble === null ? <Loading /> : <Trouble trouble={trouble} />;
  const empty = overview.sinceBeginning.events === 0 && overview.health.newestEvent === null;
  return (
    <>
      {empty && <Empty />}
      <div className="overview-panels">
        {!empty && <Panels overview={overview} />}
        <Health overview={overview} receivedMs={receivedMs} away={trouble === 'unreachable'} />
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
