import { useTelemetry } from '@convergio/telemetry-react';
import { useId } from 'react';
import type { Preferences } from '../preferences.js';
import { useStudy } from '../study.js';

interface SettingsProps {
  preferences: Preferences;
  onChange: (changes: Partial<Preferences>) => void;
}

export function Settings({ preferences, onChange }: SettingsProps) {
  const { texts } = useStudy();
  const track = useTelemetry((state) => state.track);

  function setLargerText(on: boolean) {
    onChange({ largerText: on });
    track('accessibility', 'setting_changed', { label: 'larger_text', value: on ? 1 : 0 });
  }

  function setCalm(on: boolean) {
    onChange({ calm: on });
    if (on) track('accessibility', 'mode_activated', { label: 'easy_reading' });
    else track('accessibility', 'setting_changed', { label: 'easy_reading', value: 0 });
  }

  return (
    <>
      <h1>{texts.pages.settings}</h1>
      <p className="lead">{texts.settings.lead}</p>
      <div className="switches">
        <Switch
          name={texts.settings.larger}
          hint={texts.settings.largerHint}
          on={preferences.largerText}
          onChange={setLargerText}
        />
        <Switch
          name={texts.settings.calm}
          hint={texts.settings.calmHint}
          on={preferences.calm}
          onChange={setCalm}
        />
      </div>
    </>
  );
}

interface SwitchProps {
  name: string;
  hint: string;
  on: boolean;
  onChange: (on: boolean) => void;
}

function Switch({ name, hint, on, onChange }: SwitchProps) {
  const hintId = useId();
  return (
    <div className="switch">
      <label>
        <input
          type="checkbox"
          checked={on}
          aria-describedby={hintId}
          onChange={(event) => onChange(event.target.checked)}
        />
        {name}
      </label>
      <p id={hintId}>{hint}</p>
    </div>
  );
}
