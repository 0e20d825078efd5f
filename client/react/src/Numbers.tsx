import type { Totals } from '@convergio/telemetry';
import { useId } from 'react';
import { useLanguage } from './language.js';

/** The four numbers of today. */
export function Numbers({ today }: { today: Totals }) {
  const { text, format } = useLanguage();
  const heading = useId();
  const numbers = [
    { name: text.sessions, value: format.number(today.sessions) },
    { name: text.studyTime, value: format.duration(today.studyMinutes) },
    { name: text.questions, value: format.number(today.questions) },
    { name: text.pageViews, value: format.number(today.pageViews) },
  ];
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>{text.today}</h2>
      <dl className="convergio-numbers">
        {numbers.map(({ name, value }) => (
          <div key={name} className="convergio-card">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
