import { type ReactNode, useId } from 'react';
import { useLanguage } from './language.js';

export interface ChartFigureProps {
  title: string;
  /** Stands between the heading and the chart. */
  lead?: ReactNode;
  caption: string;
  /** Names the columns of the table behind the chart. */
  columns: readonly string[];
  /** Its rows; the first cell is the row's heading. */
  rows: readonly { key: string; cells: readonly string[] }[];
  children: ReactNode;
}

/** A chart with its heading, its caption and, for who prefers reading, its table. */
export function ChartFigure({ title, lead, caption, columns, rows, children }: ChartFigureProps) {
  const { text } = useLanguage();
  const heading = useId();
  return (
    <section className="convergio-card" aria-labelledby={heading}>
      <h2 id={heading}>{title}</h2>
      {lead}
      <figure>
        <figcaption>{caption}</figcaption>
        {children}
      </figure>
      <details className="convergio-table">
        <summary>
          {text.showTable}
          <span className="convergio-hidden">: {caption}</span>
        </summary>
        <table>
          <caption className="convergio-hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ key, cells: [first, ...others] }) => (
              <tr key={key}>
                <th scope="row">{first}</th>
                {others.map((cell, index) => (
                  <td key={columns[index + 1]}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
