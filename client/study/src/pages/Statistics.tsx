import { StatisticsPage } from '@convergio/telemetry-react';

export function Statistics() {
  return <StatisticsPage />;
}
