import { useEffect, useRef, useState } from 'react';
import { useLanguage } from './language.js';
import { today } from './today.js';
import type { View } from './useStatistics.js';

/** Tells screen readers, politely, that today's numbers have changed or how another try goes; else it is silent. */
export function Announcer({ view, retrying }: { view: View; retrying: boolean }) {
  const language = useLanguage();
  const [message, setMessage] = useState('');
  const heard = useRef<{ source: string; numbers: string; retrying: boolean } | null>(null);

  useEffect(() => {
    const { text, format } = language;
    if (view.kind === 'loading') return;
    const source = view.kind === 'shown' ? view.source : view.kind;
    const day = view.kind === 'shown' ? today(view.statistics) : null;
    const numbers = {
      sessions: format.number(day?.sessions ?? 0),
      time: format.duration(day?.studyMinutes ?? 0),
      questions: format.number(day?.questions ?? 0),
      pageViews: format.number(day?.pageViews ?? 0),
    };
    const before = heard.current;
    heard.current = { source, numbers: Object.values(numbers).join(), retrying };
    if (retrying) setMessage(text.retrying);
    // Another source has other numbers; that it is another one is said where it is shown.
    else if (source !== before?.source) setMessage('');
    else if (before.retrying) setMessage(text.retryFailed);
    else if (heard.current.numbers !== before.numbers) setMessage(text.changed(numbers));
  }, [view, retrying, language]);

  return (
    <p className="convergio-hidden" role="status">
      {message}
    </p>
  );
}
