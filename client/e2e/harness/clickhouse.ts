import { until } from './until.js';

/** An event as it is stored. */
export interface Stored {
  event_id: string;
  user_id: string;
  session_id: string;
  category: string;
  action: string;
  label: string;
  value: number;
  metadata: string;
  /** Milliseconds since 1970. */
  occurred_ms: number;
}

const COLUMNS =
  'event_id, user_id, session_id, category, action, label, value, metadata, ' +
  'toUnixTimestamp64Milli(occurred_at) AS occurred_ms';

/** What the pipeline has stored, read as analysts read it. */
export class ClickHouse {
  constructor(private readonly address: string) {}

  /** The rows of a query. `parameters` fill `{name:Type}`. Rejects with ClickHouse's message. */
  async query<Row>(sql: string, parameters: Record<string, string> = {}): Promise<Row[]> {
    const url = new URL(this.address);
    url.searchParams.set('database', 'convergio');
    url.searchParams.set('default_format', 'JSON');
    url.searchParams.set('output_format_json_quote_64bit_integers', '0');
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(`param_${name}`, value);
    const answer = await fetch(url, { method: 'POST', body: sql });
    if (!answer.ok) throw new Error(`ClickHouse refuses ${sql}: ${await answer.text()}`);
    return ((await answer.json()) as { data: Row[] }).data;
  }

  /** Events whose label begins with `prefix`, in the order they happened. */
  labelled(prefix: string): Promise<Stored[]> {
    return this.query(
      `SELECT ${COLUMNS} FROM events WHERE startsWith(label, {p:String}) ORDER BY occurred_at`,
      {
        p: prefix,
      },
    );
  }

  /** Events of one user, in the order they happened. */
  ofUser(user: string): Promise<Stored[]> {
    return this.query(`SELECT ${COLUMNS} FROM events WHERE user_id = {u:UUID} ORDER BY occurred_at`, {
      u: user,
    });
  }

  /** Events of one session, in the order they happened. */
  ofSession(session: string): Promise<Stored[]> {
    return this.query(`SELECT ${COLUMNS} FROM events WHERE session_id = {s:UUID} ORDER BY occurred_at`, {
      s: session,
    });
  }

  /** The events of `labels`, as soon as all of them are stored. */
  untilStored(prefix: string, labels: readonly string[]): Promise<Stored[]> {
    return until(
      `${labels.length} events ${prefix}… stored`,
      () => this.labelled(prefix),
      (rows) => {
        const there = new Set(rows.map((row) => row.label));
        return labels.every((label) => there.has(label));
      },
    );
  }

  /** Rows of these events as they lie on disk: more than events if a processor wrote one twice. */
  async physicalRows(eventIds: readonly string[]): Promise<number> {
    const [row] = await this.query<{ rows: number }>(
      'SELECT count() AS rows FROM events_data WHERE event_id IN {ids:Array(UUID)}',
      { ids: `[${eventIds.map((id) => `'${id}'`).join()}]` },
    );
    return row?.rows ?? 0;
  }

  /** Rejects if anything a scenario tracked once is stored twice, under whatever ids. */
  async refuseDoubledLabels(): Promise<void> {
    const doubled = await this.query<{ label: string }>(
      "SELECT label, count() AS times FROM events WHERE startsWith(label, 'e2e-') GROUP BY label HAVING times > 1",
    );
    if (doubled.length > 0) throw new Error(`stored more than once: ${JSON.stringify(doubled)}`);
  }
}
