export type { Locale } from './i18n.js';
export { TelemetryProvider, type TelemetryProviderProps, useTelemetry } from './provider.js';
export { StatisticsPage, type StatisticsPageProps } from './StatisticsPage.js';
export type { Fetch } from './stats-request.js';
