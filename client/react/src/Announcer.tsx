import { useEffect, useRef, useState } from 'react';
import { useLanguage } from './language.js';
import { originText } from './Origin.js';
import { today } from './today.js';
import type { View } from './useStatistics.js';

/** Tells screen readers, politely, when the numbers or where they are from have changed; else it is silent. */
export function Announcer({ view, retrying }: { view: View; retrying: boolean }) {
  const language = useLanguage();
  const [message, setMessage] = useState('');
  const heard = useRef<{ source: string; numbers: string } | null>(null);

  useEffect(() => {
    const { text, format } = language;
    if (view.kind === 'loading') return;
    if (retrying) {
      setMessage(text.source.retrying);
      // Whatever comes of it is news, even if it is what was before.
      heard.current = { source: '', numbers: '' };
      return;
    }
    const day = view.kind === 'failed' ? null : today(view.statistics);
    const numbers = {
      sessions: format.number(day?.sessions ?? 0),
      time: format.duration(day?.studyMinutes ?? 0),
      questions: format.number(day?.questions ?? 0),
      pageViews: format.number(day?.pageViews ?? 0),
    };
    const source = view.kind === 'failed' ? view.kind : view.source;
    const before = heard.current;
    heard.current = { source, numbers: Object.values(numbers).join() };
    // That the server answered at once is what everybody expects.
    if (before === null && source === 'server') return;
    if (source !== before?.source) {
      setMessage(
        view.kind === 'failed' ? text.failed.title : originText(language, view.source, view.statistics),
      );
    } else if (heard.current.numbers !== before.numbers) {
      setMessage(text.changed(numbers));
    }
  }, [view, retrying, language]);

  return (
    <p className="convergio-hidden" role="status">
      {view.kind === 'loading' ? language.text.loading : message}
    </p>
  );
}
