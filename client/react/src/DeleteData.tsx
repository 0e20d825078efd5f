import { useEffect, useId, useRef, useState } from 'react';
import { useLanguage } from './language.js';

type Step = 'closed' | 'asked' | 'deleting' | 'done' | 'failed';

export interface DeleteDataProps {
  /** Rejects if it did not work. */
  deleteMyData: () => Promise<void>;
  /** Called once everything is deleted. */
  onDeleted: () => void;
}

/** Deletes everything about this person, after asking. */
export function DeleteData({ deleteMyData, onDeleted }: DeleteDataProps) {
  const { text } = useLanguage();
  const [step, setStep] = useState<Step>('closed');
  const dialog = useRef<HTMLDialogElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const id = useId();
  const { deletion } = text;
  const open = step === 'asked' || step === 'deleting';

  useEffect(() => {
    const element = dialog.current;
    if (!open || element === null) return;
    element.showModal();
    cancel.current?.focus();
    const back = opener.current;
    return () => {
      element.close();
      back?.focus();
    };
  }, [open]);

  async function confirm(): Promise<void> {
    setStep('deleting');
    try {
      await deleteMyData();
      setStep('done');
      onDeleted();
    } catch {
      setStep('failed');
    }
  }

  return (
    <div className="convergio-delete">
      <div>
        <h3>{deletion.title}</h3>
        <p>{deletion.body}</p>
        <button
          ref={opener}
          type="button"
          className="convergio-button"
          aria-haspopup="dialog"
          onClick={() => setStep('asked')}
        >
          {deletion.open}
        </button>
      </div>
      {/* What is said to screen readers stands outside of the dialog, which is closed by then. */}
      <p role="status">{step === 'done' && deletion.done}</p>
      <p role="alert">{step === 'failed' && deletion.failed}</p>
      <dialog
        ref={dialog}
        aria-labelledby={`${id}question`}
        aria-describedby={`${id}consequence`}
        onCancel={(event) => {
          // React says when it closes: the state decides. A deletion under way is seen to its end.
          event.preventDefault();
          if (step === 'asked') setStep('closed');
        }}
        onClose={() => setStep((now) => (now === 'asked' ? 'closed' : now))}
      >
        <h2 id={`${id}question`}>{deletion.question}</h2>
        <p id={`${id}consequence`}>{deletion.consequence}</p>
        <div className="convergio-choices">
          <button
            ref={cancel}
            type="button"
            className="convergio-button"
            disabled={step === 'deleting'}
            onClick={() => setStep('closed')}
          >
            {deletion.cancel}
          </button>
          <button
            type="button"
            className="convergio-button convergio-danger"
            aria-disabled={step === 'deleting'}
            onClick={() => step === 'asked' && void confirm()}
          >
            {step === 'deleting' ? deletion.deleting : deletion.confirm}
          </button>
        </div>
      </dialog>
    </div>
  );
}
