import { ChartFigure, type ChartFigureProps } from './ChartFigure.js';
import { useLanguage } from './language.js';

// In em of the drawing, as the document's text.
const ROW = 3.5;
const BAR = { y: '1.9em', height: '0.75em', rx: '0.375em' };
const GAP = '\u2002';

/** Of a chart with that many bars, in em of its text. */
export const heightOf = (bars: number) => ROW * bars;

export interface Bar {
  key: string;
  name: string;
  count: number;
  /** What it is compared with: shown as a mark on the bar's track and in words. */
  before?: number;
}

export interface BarChartProps extends Pick<ChartFigureProps, 'title' | 'caption' | 'columns'> {
  bars: readonly Bar[];
  /** The chart in one sentence, from its bars in words. */
  summary: (bars: string) => string;
  /** A bar's `before` in words; needed if a bar has one. */
  compare?: (before: string) => string;
}

/** Counts by name, as horizontal bars. */
export function BarChart({ bars, summary, compare = (before) => before, ...figure }: BarChartProps) {
  const { format } = useLanguage();
  const most = Math.max(1, ...bars.flatMap(({ count, before }) => [count, before ?? 0]));
  const rows = bars.map(({ key, name, count, before }) => ({
    key,
    name,
    count: format.number(count),
    share: `${(100 * count) / most}%`,
    before:
      before === undefined
        ? undefined
        : {
            cell: format.number(before),
            text: compare(format.number(before)),
            // Nothing has no place on the track.
            at: before > 0 ? `${(100 * before) / most}%` : undefined,
          },
  }));
  const described = rows.map(
    ({ name, count, before }) => `${name} ${count}${before === undefined ? '' : ` (${before.text})`}`,
  );
  return (
    <ChartFigure
      {...figure}
      rows={rows.map(({ key, name, count, before }) => ({
        key,
        cells: before === undefined ? [name, count] : [name, count, before.cell],
      }))}
    >
      <svg
        className="convergio-features"
        role="img"
        aria-label={summary(described.join(', '))}
        width="100%"
        height={`${heightOf(rows.length)}em`}
      >
        {rows.map(({ key, name, count, share, before }, index) => (
          <svg key={key} aria-hidden="true" y={`${ROW * index}em`}>
            <text y="1.35em">{name}</text>
            <text className="convergio-value" x="100%" y="1.35em">
              {before !== undefined && <tspan className="convergio-before">{`${before.text}${GAP}`}</tspan>}
              {count}
            </text>
            <rect className="convergio-track" width="100%" {...BAR} />
            <rect className="convergio-bar" width={share} {...BAR} />
            {before?.at !== undefined && (
              <svg aria-hidden="true" x={before.at}>
                <rect className="convergio-mark" x="-0.125em" y="1.65em" width="0.1875em" height="1.25em" />
              </svg>
            )}
          </svg>
        ))}
      </svg>
    </ChartFigure>
  );
}
