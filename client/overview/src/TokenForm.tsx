import { useEffect, useId, useRef, useState } from 'react';
import type { Trouble } from './answer.js';
import { useWords } from './language.js';

interface TokenFormProps {
  /** What came of the last request. */
  trouble: Trouble | null;
  asking: boolean;
  onToken: (token: string) => void;
}

/** Asks for the operator token. */
export function TokenForm({ trouble, asking, onToken }: TokenFormProps) {
  const { text } = useWords();
  const [typed, setTyped] = useState('');
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const { title, body } = text.trouble['token-missing'];
  const wrong = trouble === 'token-wrong';

  useEffect(() => {
    if (wrong && !asking) input.current?.select();
  }, [wrong, asking]);

  return (
    <section className="convergio-card overview-message">
      <h2>{title}</h2>
      <p>{body}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!asking && typed.trim() !== '') onToken(typed.trim());
        }}
      >
        <label htmlFor={id}>{text.token.label}</label>
        <input
          ref={input}
          id={id}
          type="password"
          autoComplete="off"
          required
          value={typed}
          aria-invalid={wrong}
          aria-describedby={wrong ? `${id}wrong ${id}hint` : `${id}hint`}
          onChange={(event) => setTyped(event.target.value)}
        />
        <button type="submit" className="convergio-button overview-send" aria-disabled={asking}>
          {asking ? text.token.asking : text.token.send}
        </button>
        <p id={`${id}hint`}>{text.token.hint}</p>
        <p id={`${id}wrong`} role="alert">
          {trouble !== null && trouble !== 'token-missing' && !asking && text.trouble[trouble].body}
        </p>
      </form>
    </section>
  );
}
