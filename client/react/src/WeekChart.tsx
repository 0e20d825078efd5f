import type { Day } from '@convergio/telemetry';
import { ChartFigure } from './ChartFigure.js';
import { useLanguage } from './language.js';

const TOP = 24;
const BARS = 128;
const BASELINE = TOP + BARS;
export const HEIGHT = BASELINE + 44;
const RADIUS = 6;

/** Study minutes per day as bars; the last day is today. Widths are shares, so that text keeps its size. */
export function WeekChart({ days }: { days: readonly Day[] }) {
  const { text, format } = useLanguage();
  const most = days.reduce((best, day) => (day.studyMinutes > best.studyMinutes ? day : best));
  const total = days.reduce((sum, day) => sum + day.studyMinutes, 0);
  const summary = text.week.summary(
    format.duration(total),
    most.studyMinutes > 0 ? { day: format.day(most.date), time: format.duration(most.studyMinutes) } : null,
  );
  const slot = 100 / days.length;
  return (
    <ChartFigure
      title={text.week.title}
      caption={text.week.caption}
      columns={[text.week.day, text.studyTime, text.sessions]}
      rows={days.map((day) => ({
        key: day.date,
        cells: [format.day(day.date), format.duration(day.studyMinutes), format.number(day.sessions)],
      }))}
    >
      <svg className="convergio-week" role="img" aria-label={summary} width="100%" height={HEIGHT}>
        <line className="convergio-baseline" x1="0" x2="100%" y1={BASELINE} y2={BASELINE} />
        {days.map((day, index) => {
          const today = index === days.length - 1;
          const height =
            day.studyMinutes > 0 ? Math.max(4, (day.studyMinutes / most.studyMinutes) * BARS) : 0;
          const center = `${(index + 0.5) * slot}%`;
          return (
            <g key={day.date} className={today ? 'convergio-today' : undefined}>
              {/* An inner svg cuts off what is below the baseline: bars are round at their tops only. */}
              <svg
                aria-hidden="true"
                x={`${(index + 0.2) * slot}%`}
                width={`${0.6 * slot}%`}
                height={BASELINE}
              >
                <rect
                  className="convergio-bar"
                  width="100%"
                  y={BASELINE - height}
                  height={height === 0 ? 0 : height + RADIUS}
                  rx={RADIUS}
                />
              </svg>
              <text className="convergio-value" x={center} y={BASELINE - height - 8}>
                {format.number(Math.round(day.studyMinutes))}
              </text>
              <text x={center} y={BASELINE + 20}>
                {format.weekday(day.date)}
              </text>
              {today && (
                <text x={center} y={BASELINE + 38}>
                  {text.week.today}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </ChartFigure>
  );
}
