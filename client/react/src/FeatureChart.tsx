import type { Statistics } from '@convergio/telemetry';
import { ChartFigure } from './ChartFigure.js';
import { useLanguage } from './language.js';

// In em of the drawing, as the document's text.
const ROW = 3.5;
const BAR = { y: '1.9em', height: '0.75em', rx: '0.375em' };

/** Of the chart with the three features there are today. */
export const HEIGHT = 3 * ROW;

/** How often each feature was used, as horizontal bars. */
export function FeatureChart({ features }: { features: Statistics['features'] }) {
  const { text, format } = useLanguage();
  const most = Math.max(1, ...features.map(({ count }) => count));
  const rows = features.map(({ feature, count }) => ({
    key: feature,
    // A server that is newer than this page may know features it has no word for.
    name: text.features[feature] ?? feature,
    count: format.number(count),
    share: `${(100 * count) / most}%`,
  }));
  return (
    <ChartFigure
      title={text.featureUse.title}
      caption={text.featureUse.caption}
      columns={[text.featureUse.feature, text.featureUse.count]}
      rows={rows.map(({ key, name, count }) => ({ key, cells: [name, count] }))}
    >
      <svg
        className="convergio-features"
        role="img"
        aria-label={text.featureUse.summary(rows.map(({ name, count }) => `${name} ${count}`).join(', '))}
        width="100%"
        height={`${ROW * rows.length}em`}
      >
        {rows.map(({ key, name, count, share }, index) => (
          <svg key={key} aria-hidden="true" y={`${ROW * index}em`}>
            <text y="1.35em">{name}</text>
            <text className="convergio-value" x="100%" y="1.35em">
              {count}
            </text>
            <rect className="convergio-track" width="100%" {...BAR} />
            <rect className="convergio-bar" width={share} {...BAR} />
          </svg>
        ))}
      </svg>
    </ChartFigure>
  );
}
