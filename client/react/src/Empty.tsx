import { useLanguage } from './language.js';

/** Says what will be here, where nothing is yet. */
export function Empty({ collecting }: { collecting: boolean }) {
  const { text } = useLanguage();
  return (
    <section className="convergio-card convergio-empty">
      <svg aria-hidden="true" viewBox="0 0 120 64" width="120" height="64">
        {[18, 30, 24, 42, 34, 52].map((height, index) => (
          <rect key={height} x={20 * index + 4} y={60 - height} width="12" height={height} rx="4" />
        ))}
      </svg>
      <h2>{text.empty.title}</h2>
      <p>{collecting ? text.empty.body : text.empty.off}</p>
    </section>
  );
}
