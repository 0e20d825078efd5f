import type { Content, Texts } from './types.js';

const events = (count: number) => (count === 1 ? '1 evento contato' : `${count} eventi contati`);

export const texts: Texts = {
  pages: {
    home: 'Home',
    flashcards: 'Flashcard',
    quiz: 'Quiz',
    chat: 'Chat',
    map: 'Mappa mentale',
    statistics: 'Statistiche',
    settings: 'Accessibilità',
  },
  skip: 'Vai al contenuto',
  navigation: 'Pagine',
  language: 'Lingua',
  home: {
    title: 'Con chi studi oggi?',
    lead: 'Scegli un maestro, poi impara nel modo che preferisci. Le tue statistiche seguono in pochi secondi.',
    choose: 'Scegli',
    chosen: 'Scelto',
    next: (name) => `Studia con ${name}`,
    activities: {
      flashcards: 'Sei carte da girare',
      quiz: 'Cinque domande, un punteggio',
      chat: 'Chiedi quello che vuoi',
      map: 'Una materia in un colpo d’occhio',
    },
    honest:
      'Che cosa si conta: quali di queste cose fai, e quando. Mai quello che scrivi, né chi sei. Puoi spegnere tutto in Statistiche.',
  },
  flashcards: {
    show: 'Mostra la risposta',
    knew: 'La sapevo',
    again: 'Ancora',
    position: (at, of) => `Carta ${at} di ${of}`,
    done: (knew, of) => `Finito: ne sapevi ${knew} su ${of}.`,
    restart: 'Un’altra volta',
    question: 'Domanda',
    answer: 'Risposta',
  },
  quiz: {
    position: (at, of) => `Domanda ${at} di ${of}`,
    check: 'Controlla',
    next: 'Prossima domanda',
    finish: 'Vedi il risultato',
    right: 'Giusto.',
    wrong: (right) => `Non proprio: è «${right}».`,
    result: (percent) => `${percent} %`,
    comment: (percent) =>
      percent === 100 ? 'Perfetto!' : percent >= 60 ? 'Ben fatto.' : 'Ogni errore insegna qualcosa. Riprova!',
    restart: 'Un’altra volta',
  },
  chat: {
    title: (name) => `Chat con ${name}`,
    message: 'Il tuo messaggio',
    send: 'Invia',
    you: 'Tu',
    log: 'Conversazione',
    privacy:
      'Le risposte nascono in questa pagina. Si conta solo che hai chiesto; il testo non va da nessuna parte.',
  },
  map: {
    title: (name) => `Il mondo di ${name}`,
    picture: (name, branches) => `Mappa mentale: ${name} al centro, intorno ${branches}.`,
    asList: 'Come elenco',
  },
  settings: {
    lead: 'Adatta l’app a te. Queste scelte restano in questo browser.',
    larger: 'Testo più grande',
    largerHint: 'Tutto più grande di un quarto.',
    calm: 'Lettura facile',
    calmHint: 'Più spazio tra le righe, righe più corte, niente che si muove.',
  },
  footer: {
    counted: events,
    waiting: (count) => `${count} in attesa`,
    refused: (count) => (count === 1 ? '1 rifiutato' : `${count} rifiutati`),
    off: 'Non si conta nulla: la telemetria è spenta.',
    unreachable: 'Il gateway non risponde; gli eventi aspettano qui.',
    elsewhere:
      'Gli stessi numeri compaiono in /metrics dell’exporter e in ClickHouse; il terminale che esegue la pipeline indica i due indirizzi.',
  },
};

export const content: Content = {
  maestri: {
    archimede: {
      name: 'Archimede',
      field: 'Matematica',
      about: 'Leve, cerchi e un bagno famoso.',
      greeting: 'Ti do il benvenuto! Dammi un punto d’appoggio e solleveremo i tuoi compiti.',
      answers: [
        'Prima disegna. Metà di ogni soluzione è un buon disegno.',
        'Prova con un numero più piccolo, guarda che cosa succede, poi fallo crescere.',
        'Misura ciò che viene spostato: spesso la risposta è lì.',
      ],
      map: [
        { name: 'Meccanica', leaves: ['leva', 'carrucola'] },
        { name: 'Geometria', leaves: ['π', 'sfera'] },
        { name: 'Acqua', leaves: ['spinta', 'vite'] },
      ],
    },
    ipazia: {
      name: 'Ipazia',
      field: 'Astronomia',
      about: 'Coni, stelle e il coraggio di pensare.',
      greeting: 'Che bello vederti. Che cosa ti ha mostrato il cielo stanotte?',
      answers: [
        'Non credermi sulla parola: guarda, e annota quello che vedi.',
        'Una curva si ama di più dopo aver tagliato un cono con le proprie mani.',
        'Pensare in modo sbagliato è meglio che non pensare affatto. Continua!',
      ],
      map: [
        { name: 'Cielo', leaves: ['astrolabio', 'pianeti'] },
        { name: 'Curve', leaves: ['ellisse', 'parabola'] },
        { name: 'Alessandria', leaves: ['biblioteca', 'scuola'] },
      ],
    },
    galileo: {
      name: 'Galileo',
      field: 'Fisica',
      about: 'Guarda, misura e cambia idea.',
      greeting: 'Guarda qui dentro, e dimmi che cosa si muove.',
      answers: [
        'Conta le oscillazioni di una lampada prima di credermi.',
        'Il libro della natura è scritto in lingua matematica; leggiamone una riga.',
        'Fai rotolare due palle su un piano inclinato. Che cosa ti aspettavi? Che cosa è successo?',
      ],
      map: [
        { name: 'Moto', leaves: ['pendolo', 'caduta'] },
        { name: 'Cielo', leaves: ['lune', 'macchie'] },
        { name: 'Metodo', leaves: ['misura', 'dubbio'] },
      ],
    },
    montessori: {
      name: 'Montessori',
      field: 'Pedagogia',
      about: 'Impara con le mani, con i tuoi tempi.',
      greeting: 'Prenditi il tuo tempo. Che cosa vorresti fare per conto tuo?',
      answers: [
        'Prova prima con le mani; le parole verranno.',
        'Un errore è un amico che mostra dove guardare.',
        'Ci sei quasi. Non ti aiuterò più del necessario.',
      ],
      map: [
        { name: 'Bambino', leaves: ['sensi', 'libertà'] },
        { name: 'Ambiente', leaves: ['ordine', 'materiali'] },
        { name: 'Maestra', leaves: ['osserva', 'fiducia'] },
      ],
    },
    dante: {
      name: 'Dante',
      field: 'Letteratura',
      about: 'Una selva oscura, tre fiere, cento canti.',
      greeting: 'Nel mezzo del cammino mi sono perso anch’io. Tu dove ti trovi?',
      answers: [
        'Leggilo ad alta voce, tre versi alla volta; la rima ti porterà.',
        'Chiediti chi parla, a chi, e che cosa non viene detto.',
        'Attraversa la parte difficile con una guida, poi rivedrai le stelle.',
      ],
      map: [
        { name: 'Inferno', leaves: ['Virgilio', 'Ulisse'] },
        { name: 'Purgatorio', leaves: ['montagna', 'Catone'] },
        { name: 'Paradiso', leaves: ['Beatrice', 'stelle'] },
      ],
    },
  },
  cards: [
    {
      id: 'lever',
      question: 'Quando una leva è in equilibrio?',
      answer: 'Quando forza per braccio è uguale dai due lati.',
    },
    {
      id: 'buoyancy',
      question: 'Quanto è forte la spinta dell’acqua?',
      answer: 'Quanto il peso del liquido spostato.',
    },
    {
      id: 'ellipse',
      question: 'Come si ottiene un’ellisse da un cono?',
      answer: 'Con un taglio obliquo che lo attraversa.',
    },
    {
      id: 'pendulum',
      question: 'Da che cosa dipende il ritmo di un pendolo?',
      answer: 'Dalla lunghezza, non dal peso.',
    },
    { id: 'senses', question: 'Che cosa educano per primi i materiali Montessori?', answer: 'I sensi.' },
    {
      id: 'terzina',
      question: 'Come rimano le terzine di Dante?',
      answer: 'aba bcb cdc: ognuna chiama la prossima.',
    },
  ],
  questions: [
    {
      text: 'Archimede: una barca galleggia quando …',
      options: ['è di legno', 'pesa quanto l’acqua che sposta', 'l’acqua è salata'],
      right: 1,
      why: 'Galleggiano anche le navi di ferro: contano solo i pesi.',
    },
    {
      text: 'Ipazia insegnava ad …',
      options: ['Alessandria', 'Atene', 'Agrigento'],
      right: 0,
      why: 'Nel quarto secolo, con allievi venuti da lontano.',
    },
    {
      text: 'Galileo vide quattro lune intorno a …',
      options: ['Marte', 'Saturno', 'Giove'],
      right: 2,
      why: 'Nel gennaio 1610. Dunque non tutto gira intorno alla Terra.',
    },
    {
      text: 'La prima Casa dei Bambini di Montessori aprì a …',
      options: ['Roma, 1907', 'Milano, 1950', 'Firenze, 1870'],
      right: 0,
      why: 'Nel quartiere di San Lorenzo.',
    },
    {
      text: 'L’ultima parola di ogni cantica della Divina Commedia è …',
      options: ['amore', 'stelle', 'pace'],
      right: 1,
      why: 'Tutte e tre finiscono con «stelle».',
    },
  ],
};
