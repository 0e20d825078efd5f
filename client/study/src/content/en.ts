import type { Content, Texts } from './types.js';

const events = (count: number) => (count === 1 ? '1 event' : `${count} events`);

export const texts: Texts = {
  pages: {
    home: 'Home',
    flashcards: 'Flashcards',
    quiz: 'Quiz',
    chat: 'Chat',
    map: 'Mind map',
    statistics: 'Statistics',
    settings: 'Accessibility',
  },
  skip: 'Skip to the content',
  navigation: 'Pages',
  language: 'Language',
  home: {
    title: 'Who will you study with today?',
    lead: 'Choose a maestro, then learn in whichever way suits you. Your statistics follow within seconds.',
    choose: 'Choose',
    chosen: 'Chosen',
    next: (name) => `Study with ${name}`,
    activities: {
      flashcards: 'Six cards to turn over',
      quiz: 'Five questions, one score',
      chat: 'Ask whatever you like',
      map: 'A whole subject at a glance',
    },
    honest:
      'What is counted: which of these things you do, and when. Never what you write, nor who you are. You can switch it off under Statistics.',
  },
  flashcards: {
    show: 'Show the answer',
    knew: 'I knew it',
    again: 'Again',
    position: (at, of) => `Card ${at} of ${of}`,
    done: (knew, of) => `Done: you knew ${knew} of ${of}.`,
    restart: 'Once more',
    question: 'Question',
    answer: 'Answer',
  },
  quiz: {
    position: (at, of) => `Question ${at} of ${of}`,
    check: 'Check',
    next: 'Next question',
    finish: 'See the result',
    right: 'Right.',
    wrong: (right) => `Not quite: it is “${right}”.`,
    result: (percent) => `${percent} %`,
    comment: (percent) =>
      percent === 100 ? 'Perfect!' : percent >= 60 ? 'Well done.' : 'Every mistake is a lesson. Try again!',
    restart: 'Once more',
  },
  chat: {
    title: (name) => `Chat with ${name}`,
    message: 'Your message',
    send: 'Send',
    you: 'You',
    log: 'Conversation',
    privacy:
      'Answers are made up in this page. Only the fact that you asked is counted; the text goes nowhere.',
  },
  map: {
    title: (name) => `The world of ${name}`,
    picture: (name, branches) => `Mind map: ${name} in the middle, around it ${branches}.`,
    asList: 'As a list',
  },
  settings: {
    lead: 'Make the app yours. These choices stay in this browser.',
    larger: 'Larger text',
    largerHint: 'Everything a quarter larger.',
    calm: 'Easy reading',
    calmHint: 'More space between lines, shorter lines, nothing that moves.',
  },
  footer: {
    counted: (count) => `${events(count)} counted`,
    waiting: (count) => `${count} waiting`,
    refused: (count) => `${count} refused`,
    off: 'Nothing is counted: telemetry is off.',
    unreachable: 'The gateway cannot be reached; events wait here.',
    elsewhere:
      'The same numbers appear at the exporter’s /metrics and in ClickHouse; the terminal that runs the pipeline names both addresses.',
  },
};

export const content: Content = {
  maestri: {
    archimede: {
      name: 'Archimedes',
      field: 'Mathematics',
      about: 'Levers, circles and a famous bath.',
      greeting: 'Welcome! Give me a place to stand, and we shall move your homework.',
      answers: [
        'Draw it first. Half of every solution is a good drawing.',
        'Try a smaller number, see what happens, then let it grow.',
        'Measure what is pushed aside: often the answer hides there.',
      ],
      map: [
        { name: 'Mechanics', leaves: ['lever', 'pulley'] },
        { name: 'Geometry', leaves: ['π', 'sphere'] },
        { name: 'Water', leaves: ['buoyancy', 'screw'] },
      ],
    },
    ipazia: {
      name: 'Hypatia',
      field: 'Astronomy',
      about: 'Cones, stars and the courage to think.',
      greeting: 'Good to see you. What did the sky show you last night?',
      answers: [
        'Do not take my word for it: look, and keep a note of what you see.',
        'A curve is easier to love once you have cut a cone yourself.',
        'To think wrongly is better than not to think at all. Go on!',
      ],
      map: [
        { name: 'Sky', leaves: ['astrolabe', 'planets'] },
        { name: 'Curves', leaves: ['ellipse', 'parabola'] },
        { name: 'Alexandria', leaves: ['library', 'school'] },
      ],
    },
    galileo: {
      name: 'Galileo',
      field: 'Physics',
      about: 'Look, measure, and change your mind.',
      greeting: 'Have a look through here, and tell me what moves.',
      answers: [
        'Count the swings of a lamp before you believe me.',
        'The book of nature is written in mathematics; let us read one line.',
        'Roll two balls down a slope. What did you expect? What happened?',
      ],
      map: [
        { name: 'Motion', leaves: ['pendulum', 'free fall'] },
        { name: 'Sky', leaves: ['moons', 'sunspots'] },
        { name: 'Method', leaves: ['measure', 'doubt'] },
      ],
    },
    montessori: {
      name: 'Montessori',
      field: 'Pedagogy',
      about: 'Learn with your hands, at your own pace.',
      greeting: 'Take your time. What would you like to do by yourself?',
      answers: [
        'Try it with your hands first; the words will come.',
        'A mistake is a friend that shows where to look.',
        'You are nearly there. I will not help more than you need.',
      ],
      map: [
        { name: 'Child', leaves: ['senses', 'freedom'] },
        { name: 'Room', leaves: ['order', 'materials'] },
        { name: 'Teacher', leaves: ['observe', 'trust'] },
      ],
    },
    dante: {
      name: 'Dante',
      field: 'Literature',
      about: 'A dark wood, three beasts, a hundred cantos.',
      greeting: 'Midway on our way I lost mine, too. Where are you stuck?',
      answers: [
        'Read it aloud, three lines at a time; the rhyme will carry you.',
        'Ask who speaks, to whom, and what is left unsaid.',
        'Go through the hard part with a guide, then see the stars again.',
      ],
      map: [
        { name: 'Inferno', leaves: ['Virgil', 'Ulysses'] },
        { name: 'Purgatorio', leaves: ['mountain', 'Cato'] },
        { name: 'Paradiso', leaves: ['Beatrice', 'stars'] },
      ],
    },
  },
  cards: [
    {
      id: 'lever',
      question: 'What balances a lever?',
      answer: 'Equal products of force and arm on both sides.',
    },
    {
      id: 'buoyancy',
      question: 'How strong is buoyancy?',
      answer: 'As the weight of the liquid pushed aside.',
    },
    {
      id: 'ellipse',
      question: 'How do you get an ellipse from a cone?',
      answer: 'By a slanting cut through one side.',
    },
    {
      id: 'pendulum',
      question: 'What decides how fast a pendulum swings?',
      answer: 'Its length, not its weight.',
    },
    { id: 'senses', question: 'What do Montessori materials train first?', answer: 'The senses.' },
    {
      id: 'terzina',
      question: 'How do Dante’s triplets rhyme?',
      answer: 'aba bcb cdc: each one calls the next.',
    },
  ],
  questions: [
    {
      text: 'Archimedes: a boat floats when …',
      options: ['it is made of wood', 'it weighs as much as the water it pushes aside', 'the water is salty'],
      right: 1,
      why: 'Iron ships float as well: only the weights count.',
    },
    {
      text: 'Hypatia taught in …',
      options: ['Alexandria', 'Rome', 'Syracuse'],
      right: 0,
      why: 'In the fourth century, with pupils from far away.',
    },
    {
      text: 'Galileo saw four moons around …',
      options: ['Mars', 'Saturn', 'Jupiter'],
      right: 2,
      why: 'In January 1610. So not everything turns around the Earth.',
    },
    {
      text: 'Montessori opened her first Children’s House in …',
      options: ['Rome, 1907', 'Milan, 1950', 'Florence, 1870'],
      right: 0,
      why: 'In the district of San Lorenzo.',
    },
    {
      text: 'The last word of each part of the Divine Comedy is …',
      options: ['love', 'stars', 'peace'],
      right: 1,
      why: 'All three end with “stelle”.',
    },
  ],
};
