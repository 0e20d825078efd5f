import type { Statistics, Telemetry } from '@convergio/telemetry';
import { useEffect, useId, useRef, useState, useSyncExternalStore } from 'react';
import { Announcer } from './Announcer.js';
import { ConsentToggle } from './ConsentToggle.js';
import { DeleteData } from './DeleteData.js';
import { Empty } from './Empty.js';
import { EngagementRing } from './EngagementRing.js';
import { FeatureChart } from './FeatureChart.js';
import type { Locale } from './i18n.js';
import { LanguageProvider, useLanguage, useLocale } from './language.js';
import { Numbers } from './Numbers.js';
import { Origin } from './Origin.js';
import { useNearestTelemetry, useTelemetry } from './provider.js';
import { Skeleton } from './Skeleton.js';
import type { Fetch } from './stats-request.js';
import { isEmpty, today } from './today.js';
import { useStatistics } from './useStatistics.js';
import { WeekChart } from './WeekChart.js';

export interface StatisticsPageProps {
  /** Whose statistics; that of the nearest `TelemetryProvider` unless told. */
  telemetry?: Telemetry;
  /** The document's language unless told, else the browser's: Italian if that is Italian, else English. */
  locale?: Locale;
  /** Milliseconds between two questions to the server while the page is seen, 30 000 unless told. */
  refreshMs?: number;
  /** What asks the server: the browser's own unless told. */
  fetch?: Fetch;
}

/**
 * The page "Statistiche": today's numbers, the week, features, engagement, and the student's say in it. Needs
 * `@convergio/telemetry-react/styles.css`. The server's numbers where it answers, else this browser's own.
 */
export function StatisticsPage({ telemetry, locale, ...reading }: StatisticsPageProps) {
  return (
    <LanguageProvider locale={useLocale(locale)}>
      <Page telemetry={useNearestTelemetry(telemetry)} {...reading} />
    </LanguageProvider>
  );
}

type PageProps = { telemetry: Telemetry } & Pick<StatisticsPageProps, 'refreshMs' | 'fetch'>;

function Page({ telemetry, refreshMs = 30_000, fetch }: PageProps) {
  const { text, locale } = useLanguage();
  const { view, busy, retry, forget } = useStatistics(telemetry, { refreshMs, fetch });
  const enabled = useTelemetry((state) => state.enabled, telemetry);
  const signal = useTelemetry((state) => state.browserSignal, telemetry);
  const mounted = useMounted();
  const title = useRef<HTMLHeadingElement>(null);
  const id = useId();
  const [asked, setAsked] = useState(false);
  const retrying = asked && busy;

  useEffect(() => {
    if (!asked || busy) return;
    setAsked(false);
    // If it worked, the button that had the focus is gone.
    if (document.activeElement === document.body) title.current?.focus();
  }, [asked, busy]);

  function askAgain(): void {
    setAsked(true);
    retry();
  }

  return (
    <section className="convergio-statistics" lang={locale} aria-labelledby={id}>
      <header>
        <h1 id={id} ref={title} tabIndex={-1}>
          {text.title}
        </h1>
        <Origin view={view} retrying={retrying} onRetry={askAgain} />
      </header>
      <Announcer view={view} retrying={retrying} />
      <div role="status">
        {mounted && !enabled && <p className="convergio-notice">{signal ? text.signal : text.off}</p>}
      </div>
      {view.kind === 'loading' && <Skeleton />}
      {view.kind === 'failed' && (
        <section className="convergio-card convergio-empty">
          <h2>{text.failed.title}</h2>
          <p>{text.failed.body}</p>
        </section>
      )}
      {view.kind === 'shown' &&
        (isEmpty(view.statistics) ? <Empty collecting={enabled} /> : <Charts statistics={view.statistics} />)}
      {/* What the browser keeps is not known while the server writes the page. */}
      {mounted && (
        <section className="convergio-card" aria-labelledby={`${id}data`}>
          <h2 id={`${id}data`}>{text.data}</h2>
          <div className="convergio-data">
            <ConsentToggle telemetry={telemetry} />
            <DeleteData deleteMyData={telemetry.deleteMyData} onDeleted={forget} />
          </div>
        </section>
      )}
    </section>
  );
}

function Charts({ statistics }: { statistics: Statistics }) {
  return (
    <>
      <Numbers today={today(statistics)} />
      <div className="convergio-charts">
        <WeekChart days={statistics.days} />
        <FeatureChart features={statistics.features} />
        <EngagementRing score={statistics.score} />
      </div>
    </>
  );
}

/** False while the server writes the page and while the browser takes it over, true from then on. */
function useMounted(): boolean {
  return useSyncExternalStore(
    () => () => {},
    () => true,
    () => false,
  );
}
