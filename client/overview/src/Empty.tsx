import { useWords } from './language.js';

/** Says how to get the first numbers. */
export function Empty() {
  const { empty } = useWords().text;
  return (
    <section className="convergio-card overview-message">
      <h2>{empty.title}</h2>
      <p>{empty.body}</p>
      <p>{empty.study}</p>
      <pre>
        <code>{empty.command}</code>
      </pre>
    </section>
  );
}
