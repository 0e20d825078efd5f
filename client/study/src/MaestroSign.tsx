import type { Slug } from './content/types.js';

const SIGNS: Record<Slug, string> = {
  // A lever on its fulcrum; a cut cone; a planet and its moon; building blocks; an open book.
  archimede: 'M6 30L42 18M24 24l-7 14h14zM8 28a4 4 0 1 1 .1 0M38 18v-8h6v8',
  ipazia: 'M24 6L8 40M24 6l16 34M8 40c0 5 32 5 32 0M13 29c6-9 16-6 23 2',
  galileo: 'M22 36a12 12 0 1 1 .1 0M4 30c10 4 26-2 34-12M40 14a3 3 0 1 1 .1 0',
  montessori: 'M18 38h12V26H18zM8 38h10V18H8zM30 38h10V10H30z',
  dante: 'M24 14c-5-4-12-4-18-2v24c6-2 13-2 18 2 5-4 12-4 18-2V12c-6-2-13-2-18 2zM24 14v24',
};

/** The drawing on a maestro's card; it says nothing that the name does not. */
export function MaestroSign({ slug }: { slug: Slug }) {
  return (
    <svg className="sign" viewBox="0 0 48 48" width="56" height="56" aria-hidden="true" focusable="false">
      <path d={SIGNS[slug]} />
    </svg>
  );
}
