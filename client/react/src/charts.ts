/** The charts of the statistics page and what they need, for other pages of the same look. */

export { type Bar, BarChart, type BarChartProps } from './BarChart.js';
export { type Format, formatOf } from './format.js';
export type { Locale } from './i18n.js';
export { LanguageProvider, useLanguage } from './language.js';
export { WeekChart, type WeekChartProps } from './WeekChart.js';
