import type { Day } from '@convergio/telemetry';
import type { ReactNode } from 'react';
import { ChartFigure } from './ChartFigure.js';
import { useLanguage } from './language.js';

// In em of the drawing, whose text is as large as the document's: all grows with it.
const BARS = 8;
const BASELINE = 1.5 + BARS;
export const HEIGHT = BASELINE + 2.75;
const RADIUS = 0.375;
/** From so many minutes in a day on it is hours that are told. */
const HOURS_FROM = 600;

export interface WeekChartProps {
  /** The last one is today. */
  days: readonly Pick<Day, 'date' | 'studyMinutes' | 'sessions'>[];
  /** `Last 7 days` unless told. */
  title?: string;
  /** Stands between the heading and the chart. */
  lead?: ReactNode;
}

/** Study minutes per day as bars. Widths are shares, so that text keeps its size. */
export function WeekChart({ days, title, lead }: WeekChartProps) {
  const { text, format } = useLanguage();
  const most = days.reduce((best, day) => (day.studyMinutes > best.studyMinutes ? day : best));
  const total = days.reduce((sum, day) => sum + day.studyMinutes, 0);
  const summary = text.week.summary(
    format.duration(total),
    most.studyMinutes > 0 ? { day: format.day(most.date), time: format.duration(most.studyMinutes) } : null,
  );
  const inHours = most.studyMinutes >= HOURS_FROM;
  const slot = 100 / days.length;
  return (
    <ChartFigure
      title={title ?? text.week.title}
      lead={lead}
      caption={inHours ? text.week.captionHours : text.week.caption}
      columns={[text.week.day, text.studyTime, text.sessions]}
      rows={days.map((day) => ({
        key: day.date,
        cells: [format.day(day.date), format.duration(day.studyMinutes), format.number(day.sessions)],
      }))}
    >
      <svg className="convergio-week" role="img" aria-label={summary} width="100%" height={em(HEIGHT)}>
        <line className="convergio-baseline" x2="100%" y1={em(BASELINE)} y2={em(BASELINE)} />
        {days.map((day, index) => {
          const today = index === days.length - 1;
          const share = day.studyMinutes / Math.max(most.studyMinutes, 1);
          const height = day.studyMinutes > 0 ? Math.max(0.25, share * BARS) : 0;
          return (
            <svg
              key={day.date}
              aria-hidden="true"
              className={today ? 'convergio-today' : undefined}
              x={percent(index * slot)}
              width={percent(slot)}
            >
              {/* This svg ends at the baseline and cuts off what is below: bars are round at their tops only. */}
              <svg aria-hidden="true" className="convergio-cut" height={em(BASELINE)}>
                <rect
                  className="convergio-bar"
                  x="20%"
                  width="60%"
                  y={em(BASELINE - height)}
                  height={em(height === 0 ? 0 : height + RADIUS)}
                  rx={em(RADIUS)}
                />
              </svg>
              <svg aria-hidden="true" y={em(BASELINE - height)}>
                <text className="convergio-value" x="50%" y="-0.6em">
                  {inHours ? format.hours(day.studyMinutes) : format.minutes(day.studyMinutes)}
                </text>
              </svg>
              <svg aria-hidden="true" y={em(BASELINE)}>
                <text x="50%" y="1.5em">
                  {format.weekday(day.date)}
                </text>
                {today && (
                  <text x="50%" y="2.8em">
                    {text.week.today}
                  </text>
                )}
              </svg>
            </svg>
          );
        })}
      </svg>
    </ChartFigure>
  );
}

function em(length: number): string {
  return `${length.toFixed(3)}em`;
}

function percent(share: number): string {
  return `${share.toFixed(2)}%`;
}
