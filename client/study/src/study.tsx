import { createContext, type ReactNode, useContext } from 'react';
import * as en from './content/en.js';
import * as it from './content/it.js';
import type { Content, Locale, Maestro, Slug, Texts } from './content/types.js';

/** What every page works with: texts and content in the chosen language, and the maestro at one's side. */
export interface Study {
  texts: Texts;
  content: Content;
  slug: Slug;
  maestro: Maestro;
}

const LANGUAGES = { en, it };
const StudyContext = createContext<Study | null>(null);

export function StudyProvider(props: { locale: Locale; slug: Slug; children: ReactNode }) {
  const { texts, content } = LANGUAGES[props.locale];
  const study = { texts, content, slug: props.slug, maestro: content.maestri[props.slug] };
  return <StudyContext.Provider value={study}>{props.children}</StudyContext.Provider>;
}

export function useStudy(): Study {
  const study = useContext(StudyContext);
  if (study === null) throw new Error('Pages are shown inside a <StudyProvider> only.');
  return study;
}
