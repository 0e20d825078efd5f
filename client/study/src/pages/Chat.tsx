import { useTelemetry } from '@convergio/telemetry-react';
import { useRef, useState } from 'react';
import { useStudy } from '../study.js';

export function Chat() {
  const { texts, slug, maestro } = useStudy();
  const track = useTelemetry((state) => state.track);
  const [questions, setQuestions] = useState<readonly string[]>([]);
  const [draft, setDraft] = useState('');
  const input = useRef<HTMLInputElement>(null);

  function send(event: React.SubmitEvent) {
    event.preventDefault();
    const text = draft.trim();
    if (!text) return;
    // That something was asked, and whom. What was asked stays in this component.
    track('conversation', 'message_sent', { label: slug });
    setQuestions([...questions, text]);
    setDraft('');
    input.current?.focus();
  }

  return (
    <>
      <h1>{texts.chat.title(maestro.name)}</h1>
      <div className={`chat maestro-${slug}`} role="log" aria-label={texts.chat.log}>
        <Line who={maestro.name} text={maestro.greeting} />
        {questions.map((question, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines are only ever added at the end
          <div key={index} className="exchange">
            <Line who={texts.chat.you} text={question} mine />
            <Line who={maestro.name} text={maestro.answers[index % maestro.answers.length] ?? ''} />
          </div>
        ))}
      </div>
      <form className="message" onSubmit={send}>
        <label>
          <span>{texts.chat.message}</span>
          <input
            className="text"
            ref={input}
            value={draft}
            maxLength={500}
            autoComplete="off"
            onChange={(event) => setDraft(event.target.value)}
          />
        </label>
        <button type="submit" className="button primary" disabled={!draft.trim()}>
          {texts.chat.send}
        </button>
      </form>
      <p className="note">{texts.chat.privacy}</p>
    </>
  );
}

function Line({ who, text, mine = false }: { who: string; text: string; mine?: boolean }) {
  return (
    <p className={mine ? 'line line-mine' : 'line'}>
      <span className="who">{who}</span>
      {text}
    </p>
  );
}
