import { useCallback, useEffect, useState } from 'react';
import { type Answer, ask, type Overview, type Trouble } from './answer.js';

/** From one answer to the next question. */
const REFRESH_MS = 5_000;
const KEY = 'convergio-operator-token';

export interface View {
  /** The newest numbers, and when they came (as `performance.now` counts). */
  overview: Overview | null;
  receivedMs: number;
  /** What came of the last question; null if it was answered with numbers, or if there was none yet. */
  trouble: Trouble | null;
  /** Whether a token is needed that nobody has given yet. */
  wantsToken: boolean;
}

const NOTHING: View = { overview: null, receivedMs: 0, trouble: null, wantsToken: false };

export interface Reading {
  view: View;
  /** Whether the exporter is being asked because somebody wanted it. */
  asking: boolean;
  hasToken: boolean;
  /** Sends this token from now on, and keeps it for as long as the tab lives. */
  signIn: (token: string) => void;
  /** Forgets token and numbers. */
  signOut: () => void;
  retry: () => void;
}

/** The numbers, asked for again and again while the page is seen; one question at a time. */
export function useOverview(): Reading {
  // Each is a new object, so that the same token again is another try.
  const [session, begin] = useState(() => ({ token: storedToken() }));
  const [view, setView] = useState(NOTHING);
  const [asking, setAsking] = useState(false);

  useEffect(() => {
    let question = new AbortController();
    let next: ReturnType<typeof setTimeout> | undefined;
    let isWaiting = false;

    async function readNow(): Promise<void> {
      clearTimeout(next);
      question.abort();
      const mine = new AbortController();
      question = mine;
      try {
        const answer = await ask(session.token, mine.signal);
        if (mine.signal.aborted) return;
        setView((before) => shown(before, answer));
        setAsking(false);
        // Without the right token there is nothing to hear until somebody types one.
        isWaiting = isAboutToken(answer);
        if (!isWaiting) next = setTimeout(readIfSeen, REFRESH_MS);
      } catch {
        // Another question, or the end, took its place.
      }
    }

    // A page that is hidden does not ask; it does so as soon as it is seen again.
    function readIfSeen(): void {
      if (document.visibilityState === 'visible' && !isWaiting) void readNow();
    }

    document.addEventListener('visibilitychange', readIfSeen);
    void readNow();
    return () => {
      clearTimeout(next);
      question.abort();
      document.removeEventListener('visibilitychange', readIfSeen);
    };
  }, [session]);

  return {
    view,
    asking,
    hasToken: session.token !== null,
    signIn: useCallback((typed: string) => {
      setAsking(true);
      store(typed);
      begin({ token: typed });
    }, []),
    signOut: useCallback(() => {
      store(null);
      setView(NOTHING);
      begin({ token: null });
    }, []),
    retry: useCallback(() => {
      setAsking(true);
      begin((session) => ({ ...session }));
    }, []),
  };
}

/** Numbers stand while the exporter does not answer, but not for who is not let in any more. */
function shown(before: View, answer: Answer): View {
  if (answer.kind === 'numbers') return { ...answer, trouble: null, wantsToken: false };
  const { trouble } = answer;
  if (isAboutToken(answer)) return { ...NOTHING, trouble, wantsToken: true };
  return trouble === 'operators-disabled' ? { ...NOTHING, trouble } : { ...before, trouble };
}

function isAboutToken(answer: Answer): boolean {
  return (
    answer.kind === 'trouble' && (answer.trouble === 'token-missing' || answer.trouble === 'token-wrong')
  );
}

function storedToken(): string | null {
  try {
    return window.sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(token: string | null): void {
  try {
    if (token === null) window.sessionStorage.removeItem(KEY);
    else window.sessionStorage.setItem(KEY, token);
  } catch {
    // Storage is forbidden: the token lasts as long as the page.
  }
}
