import type { ScoreComponent, Statistics } from '@convergio/telemetry';
import { useId } from 'react';
import { useLanguage } from './language.js';

const RADIUS = 52;
const WIDTH = 12;
const SIZE = 2 * RADIUS + WIDTH;

/** The score from 0 to 100 as a ring, and what each of its components gave. */
export function EngagementRing({ score: { score, components } }: { score: Statistics['score'] }) {
  const { text, format } = useLanguage();
  const heading = useId();
  const { engagement } = text;
  const circle = { cx: SIZE / 2, cy: SIZE / 2, r: RADIUS, strokeWidth: WIDTH, fill: 'none' };
  return (
    <section className="convergio-card" aria-labelledby={heading}>
      <h2 id={heading}>{engagement.title}</h2>
      <figure className="convergio-engagement">
        <figcaption>{engagement.caption}</figcaption>
        <svg
          className="convergio-ring"
          role="img"
          aria-label={engagement.summary(format.number(score))}
          viewBox={`0 0 ${SIZE} ${SIZE}`}
        >
          <circle className="convergio-track" {...circle} />
          {score > 0 && (
            <circle
              className="convergio-arc"
              {...circle}
              pathLength="100"
              strokeDasharray={`${score} 100`}
              strokeLinecap="round"
              transform={`rotate(-90 ${SIZE / 2} ${SIZE / 2})`}
            />
          )}
          <text className="convergio-score" x="50%" y="54%">
            {format.number(score)}
          </text>
          <text x="50%" y="70%">
            {engagement.outOf}
          </text>
        </svg>
        <div>
          <p>{engagement.explanation}</p>
          <table>
            <caption className="convergio-hidden">{engagement.title}</caption>
            <thead>
              <tr>
                <th scope="col">{engagement.component}</th>
                <th scope="col">{engagement.reached}</th>
                <th scope="col">{engagement.points}</th>
              </tr>
            </thead>
            <tbody>
              {components.map((component) => (
                <Component key={component.name} {...component} />
              ))}
            </tbody>
          </table>
        </div>
      </figure>
    </section>
  );
}

function Component({ name, value, target, weight, points }: ScoreComponent) {
  const { text, format } = useLanguage();
  const { of, minutes } = text.engagement;
  const named = text.components[name] ?? { name, meaning: '' };
  const reached =
    name === 'study_minutes'
      ? minutes(of(format.minutes(value), format.number(target)))
      : of(format.number(value), format.number(target));
  return (
    <tr>
      <th scope="row">
        {named.name}
        <small>{named.meaning}</small>
      </th>
      <td>{reached}</td>
      <td>
        {of(format.number(points), format.number(weight))}
        <span className="convergio-meter" aria-hidden="true">
          <span style={{ inlineSize: `${weight > 0 ? Math.min(100, (100 * points) / weight) : 0}%` }} />
        </span>
      </td>
    </tr>
  );
}
