/** Every text of the page, in both languages; a text that one of them lacks is a type error. */

import type { Locale } from '@convergio/telemetry-react/charts';
import type { Trouble } from './answer.js';

export interface Texts {
  title: string;
  language: string;
  signOut: string;
  status: Record<'loading' | 'live' | 'stale' | 'none', string>;
  /** Follow the status: when the last answer came, or of when the numbers of a stale one are. */
  updated: (time: string) => string;
  from: (time: string) => string;
  retry: string;
  trying: string;
  /** What an exporter that does not answer leaves on the page. */
  last: (trouble: string) => string;
  stale: (ago: string) => string;
  trouble: Record<Trouble, { title: string; body: string }>;
  token: { label: string; hint: string; send: string; asking: string };
  empty: { title: string; body: string; study: string; command: string };
  beginning: (events: string, sessions: string, time: string) => string;
  activeUsers: { title: string; periods: Record<string, string>; before: (users: string) => string };
  studyTime: { title: string; today: string; yesterday: string };
  features: { title: string; caption: string; column: string; summary: (bars: string) => string };
  featureNames: Record<string, string>;
  maestros: {
    title: string;
    caption: string;
    column: string;
    summary: (bars: string) => string;
    none: string;
  };
  today: string;
  yesterday: string;
  compare: (before: string) => string;
  days: (zone: string) => string;
  health: {
    title: string;
    states: Record<'good' | 'quiet' | 'bad', string>;
    exporter: { name: string; good: (version: string) => string; away: (ago: string) => string };
    clickhouse: {
      name: string;
      good: (ago: string, duration: string) => string;
      bad: (ago: string, failures: string) => string;
      unknown: (ago: string) => string;
    };
    arrival: {
      name: string;
      good: (ago: string) => string;
      quiet: (ago: string) => string;
      before: (ago: string) => string;
      none: string;
    };
    erasures: { name: string; good: string; before: string; waiting: (count: string, ago: string) => string };
    retention: { name: string; none: string; closed: (day: string) => string };
    unknown: string;
  };
}

const en: Texts = {
  title: 'Overview',
  language: 'Language',
  signOut: 'Forget the token',
  status: { loading: 'Loading', live: 'Live', stale: 'Not up to date', none: 'No numbers' },
  updated: (time) => `updated ${time}`,
  from: (time) => `numbers from ${time}`,
  retry: 'Try again',
  trying: 'Trying…',
  last: (trouble) => `${trouble} These are the last numbers it gave.`,
  stale: (ago) => `ClickHouse was last read ${ago}; the numbers are as they were then.`,
  trouble: {
    'token-missing': {
      title: 'For operators',
      body: 'These numbers are about everybody, so the exporter shows them to operators only.',
    },
    'token-wrong': {
      title: 'For operators',
      body: 'That is not the operator token. Check it and try again.',
    },
    'operators-disabled': {
      title: 'No operator token is configured',
      body: 'Set CONVERGIO_OPERATOR_TOKEN for the exporter, or CONVERGIO_OVERVIEW=open if everyone who reaches it may look.',
    },
    'clickhouse-unavailable': {
      title: 'No numbers yet',
      body: 'The exporter cannot read ClickHouse. No event is lost meanwhile: Kafka keeps them.',
    },
    'rate-limited': {
      title: 'Too many requests',
      body: 'The exporter refuses requests of this address for a moment.',
    },
    unreachable: {
      title: 'The exporter cannot be reached',
      body: 'The exporter does not answer; this page keeps trying.',
    },
  },
  token: {
    label: 'Operator token',
    hint: 'The value of CONVERGIO_OPERATOR_TOKEN. It stays in this tab until you close it.',
    send: 'Show the numbers',
    asking: 'Asking…',
  },
  empty: {
    title: 'No events yet',
    body: 'Numbers appear here a few seconds after the first event.',
    study: 'Open the study app at the gateway’s address and study a little, or let simulated students do it:',
    command: 'convergio simulate --users 50 --rate 20',
  },
  beginning: (events, sessions, time) =>
    `Since the beginning: ${events} events, each counted once, in ${sessions} sessions with ${time} of study.`,
  activeUsers: {
    title: 'Active users',
    periods: { '1h': 'Last hour', '24h': 'Last 24 hours', '7d': 'Last 7 days' },
    before: (users) => `${users} a day earlier`,
  },
  studyTime: { title: 'Study time', today: 'Today', yesterday: 'Yesterday by this time' },
  features: {
    title: 'Feature usage',
    caption: 'Uses today, and yesterday by this time',
    column: 'Feature',
    summary: (bars) => `Uses today: ${bars}.`,
  },
  featureNames: { flashcards: 'Flashcards', quizzes: 'Quizzes', mind_maps: 'Mind maps' },
  maestros: {
    title: 'Maestro popularity',
    caption: 'Selections today, and yesterday by this time',
    column: 'Maestro',
    summary: (bars) => `Selections today: ${bars}.`,
    none: 'No maestro has been chosen since yesterday.',
  },
  today: 'Today',
  yesterday: 'Yesterday',
  compare: (before) => `yesterday ${before}`,
  days: (zone) => `Days begin at midnight in the time zone ${zone}.`,
  health: {
    title: 'Pipeline',
    states: { good: 'Good', quiet: 'For your information', bad: 'Needs attention' },
    exporter: {
      name: 'Exporter',
      good: (version) => `answers; version ${version}`,
      away: (ago) => `does not answer; last answer ${ago}`,
    },
    clickhouse: {
      name: 'ClickHouse',
      good: (ago, duration) => `read ${ago}, in ${duration}`,
      bad: (ago, failures) => `cannot be read; last read ${ago}, failed attempts: ${failures}`,
      unknown: (ago) => `unknown; last read ${ago}`,
    },
    arrival: {
      name: 'Gateway → Kafka → processor',
      good: (ago) => `the newest event came ${ago} and is stored`,
      quiet: (ago) =>
        `the newest stored event came ${ago}: nobody is studying, or one of the three has stopped (see their /readyz)`,
      before: (ago) => `the newest stored event that was read came ${ago}`,
      none: 'no event has come through yet',
    },
    erasures: {
      name: 'Erasures',
      good: 'no rows of erased users wait to be deleted',
      before: 'at the last reading no rows of erased users waited to be deleted',
      waiting: (count, ago) =>
        `${count} hidden, with rows that wait to be deleted; the oldest was carried out ${ago}`,
    },
    retention: {
      name: 'Retention',
      none: 'no day has been closed yet',
      closed: (day) => `days until ${day} are closed; their sums stay`,
    },
    unknown:
      'Lag and dead letters are in Kafka, which the exporter does not read: see convergio dlq list, convergio audit, or the dashboard “Pipeline” in Grafana.',
  },
};

const it: Texts = {
  title: 'Panoramica',
  language: 'Lingua',
  signOut: 'Dimentica il token',
  status: { loading: 'Caricamento', live: 'In diretta', stale: 'Non aggiornata', none: 'Nessun numero' },
  updated: (time) => `aggiornata alle ${time}`,
  from: (time) => `numeri delle ${time}`,
  retry: 'Riprova',
  trying: 'Riprovo…',
  last: (trouble) => `${trouble} Questi sono gli ultimi numeri ricevuti.`,
  stale: (ago) => `L’ultima lettura di ClickHouse è di ${ago}; i numeri sono quelli di allora.`,
  trouble: {
    'token-missing': {
      title: 'Per gli operatori',
      body: 'Questi numeri riguardano tutti, perciò l’exporter li mostra solo agli operatori.',
    },
    'token-wrong': {
      title: 'Per gli operatori',
      body: 'Questo non è il token degli operatori. Controllalo e riprova.',
    },
    'operators-disabled': {
      title: 'Nessun token è configurato',
      body: 'Imposta CONVERGIO_OPERATOR_TOKEN per l’exporter, oppure CONVERGIO_OVERVIEW=open se chiunque lo raggiunga può guardare.',
    },
    'clickhouse-unavailable': {
      title: 'Ancora nessun numero',
      body: 'L’exporter non riesce a leggere ClickHouse. Intanto non va perso nessun evento: li conserva Kafka.',
    },
    'rate-limited': {
      title: 'Troppe richieste',
      body: 'Per qualche istante l’exporter rifiuta le richieste di questo indirizzo.',
    },
    unreachable: {
      title: 'L’exporter non è raggiungibile',
      body: 'L’exporter non risponde; questa pagina riprova.',
    },
  },
  token: {
    label: 'Token degli operatori',
    hint: 'Il valore di CONVERGIO_OPERATOR_TOKEN. Resta in questa scheda finché non la chiudi.',
    send: 'Mostra i numeri',
    asking: 'Verifico…',
  },
  empty: {
    title: 'Ancora nessun evento',
    body: 'I numeri appaiono qui pochi secondi dopo il primo evento.',
    study:
      'Apri l’app di studio all’indirizzo del gateway e studia un po’, oppure lascia fare a studenti simulati:',
    command: 'convergio simulate --users 50 --rate 20',
  },
  beginning: (events, sessions, time) =>
    `Dall’inizio: ${events} eventi, ognuno contato una volta sola, in ${sessions} sessioni con ${time} di studio.`,
  activeUsers: {
    title: 'Utenti attivi',
    periods: { '1h': 'Ultima ora', '24h': 'Ultime 24 ore', '7d': 'Ultimi 7 giorni' },
    before: (users) => `${users} un giorno prima`,
  },
  studyTime: { title: 'Tempo di studio', today: 'Oggi', yesterday: 'Ieri a quest’ora' },
  features: {
    title: 'Uso degli strumenti',
    caption: 'Utilizzi di oggi, e di ieri fino a quest’ora',
    column: 'Strumento',
    summary: (bars) => `Utilizzi di oggi: ${bars}.`,
  },
  featureNames: { flashcards: 'Flashcard', quizzes: 'Quiz', mind_maps: 'Mappe mentali' },
  maestros: {
    title: 'Maestri più scelti',
    caption: 'Scelte di oggi, e di ieri fino a quest’ora',
    column: 'Maestro',
    summary: (bars) => `Scelte di oggi: ${bars}.`,
    none: 'Da ieri nessuno ha scelto un maestro.',
  },
  today: 'Oggi',
  yesterday: 'Ieri',
  compare: (before) => `ieri ${before}`,
  days: (zone) => `I giorni iniziano a mezzanotte nel fuso orario ${zone}.`,
  health: {
    title: 'Pipeline',
    states: { good: 'In ordine', quiet: 'Per tua informazione', bad: 'Richiede attenzione' },
    exporter: {
      name: 'Exporter',
      good: (version) => `risponde; versione ${version}`,
      away: (ago) => `non risponde; ultima risposta ${ago}`,
    },
    clickhouse: {
      name: 'ClickHouse',
      good: (ago, duration) => `letto ${ago}, in ${duration}`,
      bad: (ago, failures) => `non è leggibile; ultima lettura ${ago}, tentativi falliti: ${failures}`,
      unknown: (ago) => `non si sa; ultima lettura ${ago}`,
    },
    arrival: {
      name: 'Gateway → Kafka → processor',
      good: (ago) => `l’evento più recente è arrivato ${ago} ed è salvato`,
      quiet: (ago) =>
        `l’ultimo evento salvato è arrivato ${ago}: nessuno studia, oppure uno dei tre è fermo (vedi i loro /readyz)`,
      before: (ago) => `l’ultimo evento salvato che è stato letto è arrivato ${ago}`,
      none: 'non è ancora passato nessun evento',
    },
    erasures: {
      name: 'Cancellazioni',
      good: 'nessuna riga di utenti cancellati attende di essere eliminata',
      before: 'all’ultima lettura nessuna riga di utenti cancellati attendeva di essere eliminata',
      waiting: (count, ago) =>
        `righe nascoste che attendono di essere eliminate: ${count} richieste, la più vecchia di ${ago}`,
    },
    retention: {
      name: 'Conservazione',
      none: 'nessun giorno è stato ancora chiuso',
      closed: (day) => `i giorni fino al ${day} sono chiusi; restano le loro somme`,
    },
    unknown:
      'Ritardi e dead letter sono in Kafka, che l’exporter non legge: vedi convergio dlq list, convergio audit o la dashboard «Pipeline» di Grafana.',
  },
};

export const TEXTS: Record<Locale, Texts> = { it, en };
