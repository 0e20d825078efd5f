import { HEIGHT as FEATURES_HEIGHT } from './FeatureChart.js';
import { useLanguage } from './language.js';
import { HEIGHT as WEEK_HEIGHT } from './WeekChart.js';

/** The page's shape while its numbers are on their way; it takes the room they will. */
export function Skeleton() {
  const { text } = useLanguage();
  return (
    <div className="convergio-skeleton" aria-busy="true">
      <section>
        <h2>{text.today}</h2>
        <dl className="convergio-numbers">
          {[text.sessions, text.studyTime, text.questions, text.pageViews].map((name) => (
            <div key={name} className="convergio-card">
              <dt>{name}</dt>
              <dd aria-hidden="true">–</dd>
            </div>
          ))}
        </dl>
      </section>
      <div className="convergio-charts">
        <Placeholder title={text.week.title} caption={text.week.caption} height={WEEK_HEIGHT} />
        <Placeholder
          title={text.featureUse.title}
          caption={text.featureUse.caption}
          height={FEATURES_HEIGHT}
        />
        <Placeholder title={text.engagement.title} caption={text.engagement.caption} />
      </div>
    </div>
  );
}

function Placeholder({ title, caption, height }: { title: string; caption: string; height?: number }) {
  return (
    <section className="convergio-card">
      <h2>{title}</h2>
      <figure>
        <figcaption>{caption}</figcaption>
        <div
          className={height === undefined ? 'convergio-engagement convergio-blank' : 'convergio-blank'}
          style={height === undefined ? undefined : { blockSize: `${height}rem` }}
        />
      </figure>
    </section>
  );
}
