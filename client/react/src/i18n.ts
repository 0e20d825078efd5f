/** Every text of the page, in both languages; a text that one of them lacks is a type error. */

import type { ComponentName, Feature } from '@convergio/telemetry';
import type { Source } from './useStatistics.js';

export type Locale = 'it' | 'en';

export interface Texts {
  title: string;
  today: string;
  sessions: string;
  studyTime: string;
  questions: string;
  pageViews: string;
  week: {
    title: string;
    caption: string;
    /** Where it is many minutes. */
    captionHours: string;
    /** The chart in one sentence. */
    summary: (total: string, best: { day: string; time: string } | null) => string;
    today: string;
    day: string;
  };
  featureUse: {
    title: string;
    caption: string;
    summary: (uses: string) => string;
    feature: string;
    count: string;
  };
  features: Record<Feature, string>;
  engagement: {
    title: string;
    caption: string;
    summary: (score: string) => string;
    outOf: string;
    explanation: string;
    component: string;
    reached: string;
    points: string;
    of: (part: string, whole: string) => string;
    minutes: (amount: string) => string;
  };
  components: Record<ComponentName, { name: string; meaning: string }>;
  showTable: string;
  /** Where the numbers are from. */
  source: Record<Source | 'loading' | 'failed', string>;
  /** Follows the source. */
  updated: (time: string) => string;
  retry: string;
  retrying: string;
  retryFailed: string;
  empty: { title: string; body: string; off: string };
  failed: { title: string; body: string };
  off: string;
  signal: string;
  data: string;
  consent: {
    label: string;
    on: string;
    off: string;
    collected: string;
    notCollected: string;
    signal: string;
  };
  deletion: {
    title: string;
    body: string;
    open: string;
    question: string;
    consequence: string;
    confirm: string;
    cancel: string;
    deleting: string;
    done: string;
    failed: string;
  };
  /** Said to screen readers when the numbers of today have changed. */
  changed: (numbers: { sessions: string; time: string; questions: string; pageViews: string }) => string;
}

const en: Texts = {
  title: 'Statistics',
  today: 'Today',
  sessions: 'Sessions',
  studyTime: 'Study time',
  questions: 'Questions',
  pageViews: 'Page views',
  week: {
    title: 'Last 7 days',
    caption: 'Minutes of study per day',
    captionHours: 'Hours of study per day',
    summary: (total, best) =>
      best === null
        ? 'Study time of the last 7 days: none.'
        : `Study time of the last 7 days: ${total} in all, most on ${best.day} with ${best.time}.`,
    today: 'today',
    day: 'Day',
  },
  featureUse: {
    title: 'What you used',
    caption: 'Uses in the last 7 days',
    summary: (uses) => `Uses in the last 7 days: ${uses}.`,
    feature: 'Tool',
    count: 'Uses',
  },
  features: { flashcards: 'Flashcards', quizzes: 'Quizzes', mind_maps: 'Mind maps' },
  engagement: {
    title: 'Engagement',
    caption: 'Your last 7 days, from 0 to 100',
    summary: (score) => `Engagement: ${score} of 100.`,
    outOf: 'of 100',
    explanation: 'Four things earn points, each up to its target.',
    component: 'What counts',
    reached: 'Reached',
    points: 'Points',
    of: (part, whole) => `${part} of ${whole}`,
    minutes: (amount) => `${amount} min`,
  },
  components: {
    active_days: { name: 'Active days', meaning: 'days on which you did something' },
    study_minutes: { name: 'Study time', meaning: 'minutes of your sessions' },
    learning_actions: { name: 'Learning', meaning: 'flashcards, quizzes and mind maps' },
    distinct_features: { name: 'Variety', meaning: 'different tools you used' },
  },
  showTable: 'Show as table',
  source: {
    loading: 'Loading your statistics',
    server: 'From the server',
    newcomer: 'From this browser: the server has nothing of yours yet',
    offline: 'From this browser (offline)',
    unreachable: 'From this browser: the server cannot be reached',
    unintelligible: 'From this browser: the server’s answer could not be understood',
    failed: 'No numbers from the server, and none from this browser',
  },
  updated: (time) => `updated ${time}`,
  retry: 'Try again',
  retrying: 'Trying…',
  retryFailed: 'That did not work. Try again in a moment.',
  empty: {
    title: 'Nothing here yet',
    body: 'Open a lesson, ask a question or go through some flashcards. Your study time, the tools you use and your engagement will appear here, day by day.',
    off: 'There is nothing of the last seven days, and collection is off, so nothing new will appear.',
  },
  failed: {
    title: 'Your statistics cannot be shown',
    body: 'Nothing is lost. Try again in a moment.',
  },
  off: 'Collection is off. Nothing is being collected; you see what was there before.',
  signal: 'Your browser asks sites not to track you, so nothing is being collected.',
  data: 'Your data',
  consent: {
    label: 'Collect usage statistics',
    on: 'On',
    off: 'Off',
    collected:
      'Collected: which pages and tools you use and when, under a random number, and technical data such as loading times and errors.',
    notCollected:
      'Not collected: your name, what you write or say, your address on the network, your browser and your device.',
    signal:
      'Your browser sends “Global Privacy Control” or “Do Not Track”, and that is respected. To collect statistics, switch it off in the privacy settings of your browser, then reload this page.',
  },
  deletion: {
    title: 'Delete my data',
    body: 'Erases everything collected about you, in this browser and at the server.',
    open: 'Delete my data…',
    question: 'Delete all your data?',
    consequence:
      'Your statistics are erased in this browser and at the server. This cannot be undone. The switch stays as it is.',
    confirm: 'Delete everything',
    cancel: 'Cancel',
    deleting: 'Deleting…',
    done: 'Your data has been deleted.',
    failed: 'Your data could not be deleted. Check your connection, then try again.',
  },
  changed: ({ sessions, time, questions, pageViews }) =>
    `Statistics updated. Today: sessions ${sessions}, study time ${time}, questions ${questions}, page views ${pageViews}.`,
};

const it: Texts = {
  title: 'Statistiche',
  today: 'Oggi',
  sessions: 'Sessioni',
  studyTime: 'Tempo di studio',
  questions: 'Domande',
  pageViews: 'Pagine viste',
  week: {
    title: 'Ultimi 7 giorni',
    caption: 'Minuti di studio al giorno',
    captionHours: 'Ore di studio al giorno',
    summary: (total, best) =>
      best === null
        ? 'Tempo di studio degli ultimi 7 giorni: nessuno.'
        : `Tempo di studio degli ultimi 7 giorni: ${total} in tutto; il giorno migliore è ${best.day}, con ${best.time}.`,
    today: 'oggi',
    day: 'Giorno',
  },
  featureUse: {
    title: 'Che cosa hai usato',
    caption: 'Utilizzi negli ultimi 7 giorni',
    summary: (uses) => `Utilizzi negli ultimi 7 giorni: ${uses}.`,
    feature: 'Strumento',
    count: 'Utilizzi',
  },
  features: { flashcards: 'Flashcard', quizzes: 'Quiz', mind_maps: 'Mappe mentali' },
  engagement: {
    title: 'Coinvolgimento',
    caption: 'I tuoi ultimi 7 giorni, da 0 a 100',
    summary: (score) => `Coinvolgimento: ${score} su 100.`,
    outOf: 'su 100',
    explanation: 'Quattro cose danno punti, ciascuna fino al suo obiettivo.',
    component: 'Che cosa conta',
    reached: 'Raggiunto',
    points: 'Punti',
    of: (part, whole) => `${part} su ${whole}`,
    minutes: (amount) => `${amount} min`,
  },
  components: {
    active_days: { name: 'Giorni attivi', meaning: 'i giorni in cui hai fatto qualcosa' },
    study_minutes: { name: 'Tempo di studio', meaning: 'i minuti delle tue sessioni' },
    learning_actions: { name: 'Esercizio', meaning: 'flashcard, quiz e mappe mentali' },
    distinct_features: { name: 'Varietà', meaning: 'gli strumenti diversi che hai usato' },
  },
  showTable: 'Mostra come tabella',
  source: {
    loading: 'Carico le tue statistiche',
    server: 'Dal server',
    newcomer: 'Da questo browser: il server non ha ancora nulla di tuo',
    offline: 'Da questo browser (offline)',
    unreachable: 'Da questo browser: il server non è raggiungibile',
    unintelligible: 'Da questo browser: la risposta del server non è comprensibile',
    failed: 'I numeri non arrivano né dal server né da questo browser',
  },
  updated: (time) => `aggiornate alle ${time}`,
  retry: 'Riprova',
  retrying: 'Riprovo…',
  retryFailed: 'Non ha funzionato. Riprova tra poco.',
  empty: {
    title: 'Qui non c’è ancora nulla',
    body: 'Apri una lezione, fai una domanda o ripassa qualche flashcard. Il tempo di studio, gli strumenti che usi e il tuo coinvolgimento appariranno qui, giorno per giorno.',
    off: 'Negli ultimi sette giorni non c’è nulla e la raccolta è disattivata: qui non apparirà nulla di nuovo.',
  },
  failed: {
    title: 'Non riesco a mostrare le tue statistiche',
    body: 'Non hai perso nulla: riprova tra poco.',
  },
  off: 'La raccolta è disattivata. Non viene raccolto nulla: vedi quello che c’era già.',
  signal: 'Il tuo browser chiede ai siti di non tracciarti: non viene raccolto nulla.',
  data: 'I tuoi dati',
  consent: {
    label: 'Raccogli statistiche d’uso',
    on: 'Attiva',
    off: 'Disattivata',
    collected:
      'Che cosa viene raccolto: quali pagine e strumenti usi e quando, sotto un numero casuale, e dati tecnici come tempi di caricamento ed errori.',
    notCollected:
      'Che cosa non viene raccolto: il tuo nome, quello che scrivi o dici, il tuo indirizzo di rete, il browser e il dispositivo che usi.',
    signal:
      'Il tuo browser invia «Global Privacy Control» o «Do Not Track» e noi lo rispettiamo. Se vuoi raccogliere le statistiche, disattivalo nelle impostazioni sulla privacy del browser e ricarica questa pagina.',
  },
  deletion: {
    title: 'Elimina i miei dati',
    body: 'Cancella tutto quello che è stato raccolto su di te, in questo browser e sul server.',
    open: 'Elimina i miei dati…',
    question: 'Vuoi eliminare tutti i tuoi dati?',
    consequence:
      'Le tue statistiche vengono cancellate da questo browser e dal server. Non potrai recuperarle. L’interruttore resta com’è.',
    confirm: 'Elimina tutto',
    cancel: 'Annulla',
    deleting: 'Elimino…',
    done: 'I tuoi dati sono stati eliminati.',
    failed: 'Non è stato possibile eliminare i tuoi dati. Controlla la connessione e riprova.',
  },
  changed: ({ sessions, time, questions, pageViews }) =>
    `Statistiche aggiornate. Oggi: sessioni ${sessions}, tempo di studio ${time}, domande ${questions}, pagine viste ${pageViews}.`,
};

export const TEXTS: Record<Locale, Texts> = { it, en };
