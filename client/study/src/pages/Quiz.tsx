import { useTelemetry } from '@convergio/telemetry-react';
import { useId, useRef, useState } from 'react';
import type { Question } from '../content/types.js';
import { useStudy } from '../study.js';

export function Quiz() {
  const { texts, content } = useStudy();
  const track = useTelemetry((state) => state.track);
  const [at, setAt] = useState(0);
  const [right, setRight] = useState(0);
  const asked = useRef<HTMLElement>(null);
  const question = content.questions[at];
  const percentOf = (count: number) => Math.round((100 * count) / content.questions.length);

  function answered(correctly: boolean) {
    const total = right + (correctly ? 1 : 0);
    setRight(total);
    goTo(at + 1);
    if (at + 1 === content.questions.length) {
      track('education', 'quiz_complete', { label: 'maestri', value: percentOf(total) });
    }
  }

  /** The button pressed goes away with its question: the focus is put where the next one is read from its start. */
  function goTo(next: number) {
    setAt(next);
    asked.current?.focus();
  }

  function restart() {
    setRight(0);
    goTo(0);
  }

  return (
    <>
      <h1>{texts.pages.quiz}</h1>
      <section ref={asked} tabIndex={-1} aria-label={texts.pages.quiz}>
        {question ? (
          <>
            <p className="position">{texts.quiz.position(at + 1, content.questions.length)}</p>
            <progress max={content.questions.length} value={at} aria-label={texts.pages.quiz} />
            <Asked
              key={at}
              question={question}
              isLast={at + 1 === content.questions.length}
              onAnswered={answered}
            />
          </>
        ) : (
          <>
            <div className="card" role="status">
              <p className="result">{texts.quiz.result(percentOf(right))}</p>
              <p>{texts.quiz.comment(percentOf(right))}</p>
            </div>
            <div className="actions">
              <button type="button" className="button primary" onClick={restart}>
                {texts.quiz.restart}
              </button>
            </div>
          </>
        )}
      </section>
    </>
  );
}

interface AskedProps {
  question: Question;
  isLast: boolean;
  onAnswered: (correctly: boolean) => void;
}

/** One question: choose, check, go on. */
function Asked({ question, isLast, onAnswered }: AskedProps) {
  const { quiz } = useStudy().texts;
  const group = useId();
  const [choice, setChoice] = useState<number | null>(null);
  const [checked, setChecked] = useState(false);
  const correct = choice === question.right;

  function submit(event: React.SubmitEvent) {
    event.preventDefault();
    if (checked) onAnswered(correct);
    else setChecked(true);
  }

  return (
    <form onSubmit={submit}>
      <fieldset className="options" disabled={checked}>
        <legend>{question.text}</legend>
        {question.options.map((option, index) => (
          <label key={option} data-right={checked && index === question.right ? '' : undefined}>
            <input
              type="radio"
              name={group}
              checked={choice === index}
              onChange={() => setChoice(index)}
              required
            />
            {option}
          </label>
        ))}
      </fieldset>
      <p role="status" className="verdict" data-correct={checked ? correct : undefined}>
        {checked &&
          `${correct ? quiz.right : quiz.wrong(question.options[question.right] ?? '')} ${question.why}`}
      </p>
      <div className="actions">
        <button type="submit" className="button primary" disabled={choice === null}>
          {!checked ? quiz.check : isLast ? quiz.finish : quiz.next}
        </button>
      </div>
    </form>
  );
}
