import type { PageName } from '../routes.js';

export type { Locale } from '@convergio/telemetry-react';

/** Whom one studies with; the slug is what an event says of it. */
export const SLUGS = ['archimede', 'ipazia', 'galileo', 'montessori', 'dante'] as const;
export type Slug = (typeof SLUGS)[number];

export interface Maestro {
  name: string;
  field: string;
  /** What the card on the first page says. */
  about: string;
  /** The first line of a chat. */
  greeting: string;
  /** What the maestro answers, whatever was asked, in turn. */
  answers: readonly string[];
  map: readonly Branch[];
}

export interface Branch {
  name: string;
  leaves: readonly string[];
}

export interface Card {
  /** The same in every language; the label of the event. */
  id: string;
  question: string;
  answer: string;
}

export interface Question {
  text: string;
  options: readonly string[];
  /** Index of the right option. */
  right: number;
  why: string;
}

/** What there is to learn. */
export interface Content {
  maestri: Record<Slug, Maestro>;
  cards: readonly Card[];
  questions: readonly Question[];
}

/** What the app itself says. */
export interface Texts {
  pages: Record<PageName, string>;
  skip: string;
  navigation: string;
  language: string;
  home: {
    title: string;
    lead: string;
    choose: string;
    chosen: string;
    next: (name: string) => string;
    activities: Record<'flashcards' | 'quiz' | 'chat' | 'map', string>;
    honest: string;
  };
  flashcards: {
    show: string;
    knew: string;
    again: string;
    position: (at: number, of: number) => string;
    done: (knew: number, of: number) => string;
    restart: string;
    question: string;
    answer: string;
  };
  quiz: {
    position: (at: number, of: number) => string;
    check: string;
    next: string;
    finish: string;
    right: string;
    wrong: (right: string) => string;
    result: (percent: number) => string;
    comment: (percent: number) => string;
    restart: string;
  };
  chat: {
    title: (name: string) => string;
    message: string;
    send: string;
    you: string;
    log: string;
    privacy: string;
  };
  map: {
    title: (name: string) => string;
    picture: (name: string, branches: string) => string;
    asList: string;
  };
  settings: {
    lead: string;
    larger: string;
    largerHint: string;
    calm: string;
    calmHint: string;
  };
  footer: {
    counted: (events: number) => string;
    waiting: (events: number) => string;
    refused: (events: number) => string;
    off: string;
    unreachable: string;
    elsewhere: string;
  };
}
