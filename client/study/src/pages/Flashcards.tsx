import { useTelemetry } from '@convergio/telemetry-react';
import { useRef, useState } from 'react';
import { useStudy } from '../study.js';

export function Flashcards() {
  const { texts, content } = useStudy();
  const { flashcards } = texts;
  const track = useTelemetry((state) => state.track);
  const [at, setAt] = useState(0);
  const [shown, setShown] = useState(false);
  const [knew, setKnew] = useState(0);
  const primary = useRef<HTMLButtonElement>(null);
  const card = content.cards[at];
  const count = content.cards.length;

  function review(id: string, known: boolean) {
    track('education', 'flashcard_review', { label: id, value: known ? 1 : 0 });
    if (known) setKnew(knew + 1);
    setShown(false);
    setAt(at + 1);
    // The other button goes away with the answer, and the focus would go with it.
    primary.current?.focus();
  }

  function goOn() {
    if (!card) {
      setAt(0);
      setKnew(0);
    } else if (shown) review(card.id, true);
    else setShown(true);
  }

  return (
    <>
      <h1>{texts.pages.flashcards}</h1>
      <p className="position">{flashcards.position(Math.min(at + 1, count), count)}</p>
      <div className={shown ? 'card card-turned' : 'card'} aria-live="polite">
        {card ? (
          <>
            <p className="side">{shown ? flashcards.answer : flashcards.question}</p>
            <p className="writing">{shown ? card.answer : card.question}</p>
          </>
        ) : (
          <p className="writing">{flashcards.done(knew, count)}</p>
        )}
      </div>
      <div className="actions">
        {card && shown && (
          <button type="button" className="button" onClick={() => review(card.id, false)}>
            {flashcards.again}
          </button>
        )}
        <button type="button" className="button primary" ref={primary} onClick={goOn}>
          {!card ? flashcards.restart : shown ? flashcards.knew : flashcards.show}
        </button>
      </div>
    </>
  );
}
