import { useTelemetry } from '@convergio/telemetry-react';
import { SLUGS, type Slug } from '../content/types.js';
import { MaestroSign } from '../MaestroSign.js';
import { addressOf } from '../routes.js';
import { useStudy } from '../study.js';

const ACTIVITIES = ['flashcards', 'quiz', 'chat', 'map'] as const;

interface HomeProps {
  chosen: Slug | null;
  onChoose: (slug: Slug) => void;
}

export function Home({ chosen, onChoose }: HomeProps) {
  const { texts, content } = useStudy();
  const track = useTelemetry((state) => state.track);

  function choose(slug: Slug) {
    onChoose(slug);
    track('maestro', 'maestro_selected', { label: slug });
  }

  return (
    <>
      <h1>{texts.home.title}</h1>
      <p className="lead">{texts.home.lead}</p>
      <ul className="maestri">
        {SLUGS.map((slug) => {
          const maestro = content.maestri[slug];
          const isChosen = slug === chosen;
          return (
            <li key={slug} className={`maestro maestro-${slug}`}>
              <MaestroSign slug={slug} />
              <h2>{maestro.name}</h2>
              <p className="field">{maestro.field}</p>
              <p>{maestro.about}</p>
              <button
                type="button"
                className={isChosen ? 'button primary' : 'button'}
                aria-pressed={isChosen}
                aria-label={`${isChosen ? texts.home.chosen : texts.home.choose}: ${maestro.name}`}
                onClick={() => choose(slug)}
              >
                {isChosen ? texts.home.chosen : texts.home.choose}
              </button>
            </li>
          );
        })}
      </ul>
      {chosen && (
        <section aria-labelledby="next">
          <h2 id="next">{texts.home.next(content.maestri[chosen].name)}</h2>
          <ul className="activities">
            {ACTIVITIES.map((each) => (
              <li key={each}>
                <a href={addressOf(each)}>
                  <strong>{texts.pages[each]}</strong>
                  <span>{texts.home.activities[each]}</span>
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
      <p className="note">{texts.home.honest}</p>
    </>
  );
}
