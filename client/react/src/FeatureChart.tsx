import type { Statistics } from '@convergio/telemetry';
import { BarChart, heightOf } from './BarChart.js';
import { useLanguage } from './language.js';

/** Of the chart with the three features there are today. */
export const HEIGHT = heightOf(3);

/** How often each feature was used. */
export function FeatureChart({ features }: { features: Statistics['features'] }) {
  const { text } = useLanguage();
  return (
    <BarChart
      title={text.featureUse.title}
      caption={text.featureUse.caption}
      columns={[text.featureUse.feature, text.featureUse.count]}
      summary={text.featureUse.summary}
      // A server that is newer than this page may know features it has no word for.
      bars={features.map(({ feature, count }) => ({
        key: feature,
        name: text.features[feature] ?? feature,
        count,
      }))}
    />
  );
}
