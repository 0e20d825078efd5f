import { BarChart, WeekChart } from '@convergio/telemetry-react/charts';
import { useId } from 'react';
import type { Overview, Pair } from './answer.js';
import { useWords } from './language.js';

/** The four panels. */
export function Panels({ overview }: { overview: Overview }) {
  return (
    <>
      <ActiveUsers periods={overview.activeUsers} />
      <StudyTime {...overview.studyTime} />
      <Features features={overview.features} />
      <Maestros maestros={overview.maestros} />
    </>
  );
}

function ActiveUsers({ periods }: { periods: Overview['activeUsers'] }) {
  const { text, format } = useWords();
  const heading = useId();
  return (
    <section className="overview-users" aria-labelledby={heading}>
      <h2 id={heading}>{text.activeUsers.title}</h2>
      <dl className="convergio-numbers">
        {periods.map(({ period, users, dayBefore }) => (
          <div key={period} className="convergio-card">
            <dt>{text.activeUsers.periods[period] ?? period}</dt>
            <dd>
              {format.number(users)}
              {dayBefore !== null && (
                <small>
                  <span>{text.activeUsers.before(format.number(dayBefore))}</span>{' '}
                  <Change now={users} before={dayBefore} />
                </small>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function StudyTime({ today, yesterday, days }: Overview['studyTime']) {
  const { text, format } = useWords();
  return (
    <WeekChart
      title={text.studyTime.title}
      days={days}
      lead={
        <dl className="overview-study">
          <div>
            <dt>{text.studyTime.today}</dt>
            <dd>{format.long(today)}</dd>
          </div>
          <div>
            <dt>{text.studyTime.yesterday}</dt>
            <dd>
              {format.long(yesterday)} <Change now={today} before={yesterday} />
            </dd>
          </div>
        </dl>
      }
    />
  );
}

function Features({ features }: { features: Overview['features'] }) {
  const { text } = useWords();
  return (
    <BarChart
      title={text.features.title}
      caption={text.features.caption}
      columns={[text.features.column, text.today, text.yesterday]}
      summary={text.features.summary}
      compare={text.compare}
      bars={features.map(({ feature, ...uses }) => bar(feature, text.featureNames[feature] ?? feature, uses))}
    />
  );
}

function Maestros({ maestros }: { maestros: Overview['maestros'] }) {
  const { text } = useWords();
  const { title, none, caption, column, summary } = text.maestros;
  if (maestros.length === 0) {
    return (
      <section className="convergio-card">
        <h2>{title}</h2>
        <p className="overview-none">{none}</p>
      </section>
    );
  }
  return (
    <BarChart
      title={title}
      caption={caption}
      columns={[column, text.today, text.yesterday]}
      summary={summary}
      compare={text.compare}
      bars={maestros.map(({ maestro, ...uses }) => bar(maestro, named(maestro), uses))}
    />
  );
}

function bar(key: string, name: string, { today, yesterday }: Pair) {
  return { key, name, count: today, before: yesterday };
}

/** A slug as a name: `maria-montessori` is Maria Montessori. */
function named(slug: string): string {
  return slug.replace(
    /(^|-)(\p{Ll})/gu,
    (_, dash: string, letter: string) => (dash && ' ') + letter.toUpperCase(),
  );
}

function Change({ now, before }: { now: number; before: number }) {
  const change = useWords().format.change(now, before);
  return change === null ? null : <span className="overview-change">{change}</span>;
}
