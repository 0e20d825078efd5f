import type { Locale } from './i18n.js';

/** Numbers, times and days as a language writes them. */
export interface Format {
  /** At most two decimals. */
  number: (value: number) => string;
  /** Whole minutes without their unit; what would be none but is something is `< 1`. */
  minutes: (minutes: number) => string;
  /** Minutes as hours without their unit, to one decimal, and short from a hundred on; some but less is `< 0.1`. */
  hours: (minutes: number) => string;
  /** Minutes with units, as `45 min` or `1 h 05 min`. */
  duration: (minutes: number) => string;
  /** Hour and minute of a moment in a zone, `10:32`. */
  time: (instant: string, timeZone: string) => string;
  /** Of a calendar day `YYYY-MM-DD`: `Mon`, … */
  weekday: (date: string) => string;
  /** … and `Monday, May 4`. */
  day: (date: string) => string;
}

const SPACE = '\u00a0';

export function formatOf(locale: Locale): Format {
  const numbers = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const short = new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 });
  const decimal = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const padded = new Intl.NumberFormat(locale, { minimumIntegerDigits: 2 });
  // A calendar day has no zone: it is read and written in the same one.
  const weekdays = new Intl.DateTimeFormat(locale, { weekday: 'short', timeZone: 'UTC' });
  const days = new Intl.DateTimeFormat(locale, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    timeZone: 'UTC',
  });
  const whole = (minutes: number) =>
    minutes > 0 && minutes < 0.5 ? `<${SPACE}${numbers.format(1)}` : numbers.format(Math.round(minutes));
  return {
    number: (value) => numbers.format(value),
    minutes: whole,
    hours: (minutes) => {
      const hours = minutes / 60;
      if (hours > 0 && hours < 0.05) return `<${SPACE}${decimal.format(0.1)}`;
      return (hours < 100 ? decimal : short).format(hours);
    },
    duration: (minutes) => {
      const rounded = Math.round(minutes);
      const hours = Math.floor(rounded / 60);
      const rest = rounded % 60;
      return hours === 0
        ? `${whole(minutes)}${SPACE}min`
        : `${numbers.format(hours)}${SPACE}h${SPACE}${padded.format(rest)}${SPACE}min`;
    },
    time: (instant, timeZone) =>
      new Intl.DateTimeFormat(locale, {
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23',
        timeZone,
      }).format(new Date(instant)),
    weekday: (date) => weekdays.format(new Date(date)),
    day: (date) => days.format(new Date(date)),
  };
}
