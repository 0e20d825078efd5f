import { useId } from 'react';
import type { Overview, Trouble } from './answer.js';
import { useWords, type Words } from './language.js';
import { secondsBetween } from './Status.js';

/** After this without a new event the page no longer says that events come through. */
const QUIET_SECONDS = 120;
/** As the alert ErasureNotSwept has it. */
const UNSWEPT_SECONDS = 3_600;

type State = 'good' | 'quiet' | 'bad';

interface Line {
  name: string;
  state: State;
  says: string;
}

interface HealthProps {
  overview: Overview;
  /** When the answer came, as `performance.now` counts. */
  receivedMs: number;
  /** Why there is no newer answer. */
  trouble: Trouble | null;
}

/** What can be told of each part of the pipeline from here, in one line each. */
export function Health(props: HealthProps) {
  const words = useWords();
  const { health } = words.text;
  const heading = useId();
  return (
    <section className="convergio-card overview-health" aria-labelledby={heading}>
      <h2 id={heading}>{health.title}</h2>
      <ul>
        {linesOf(props, words).map(({ name, state, says }) => (
          <li key={name} data-state={state}>
            <Sign state={state} label={health.states[state]} />
            <div>
              <h3>{name}</h3>
              <p>{says}</p>
            </div>
          </li>
        ))}
      </ul>
      <p className="overview-unknown">{health.unknown}</p>
    </section>
  );
}

function linesOf({ overview, receivedMs, trouble }: HealthProps, { text, format }: Words): Line[] {
  const { version, clickhouse, newestEvent, erasures, closedDay } = overview.health;
  const { exporter, clickhouse: reading, arrival, erasures: erasing, retention } = text.health;
  // Ages are told by the exporter's clock; what has passed since its answer is added.
  const sinceAnswer = trouble === null ? 0 : (performance.now() - receivedMs) / 1_000;
  const away = trouble === 'unreachable';
  /** Whether what follows from ClickHouse is known as of now. */
  const isCurrent = trouble === null && clickhouse.readable;
  const age = (moment: string) => secondsBetween(moment, overview.generatedAt) + sinceAnswer;
  const ago = (moment: string) => format.ago(age(moment));
  return [
    {
      name: arrival.name,
      ...(newestEvent === null
        ? { state: 'quiet', says: arrival.none }
        : !isCurrent
          ? { state: 'quiet', says: arrival.before(ago(newestEvent.receivedAt)) }
          : age(newestEvent.receivedAt) > QUIET_SECONDS
            ? { state: 'quiet', says: arrival.quiet(ago(newestEvent.receivedAt)) }
            : { state: 'good', says: arrival.good(ago(newestEvent.receivedAt)) }),
    },
    {
      name: reading.name,
      ...(trouble === 'clickhouse-unavailable' || !clickhouse.readable
        ? { state: 'bad', says: reading.bad(ago(clickhouse.readAt), format.number(clickhouse.failures)) }
        : trouble === null
          ? { state: 'good', says: reading.good(ago(clickhouse.readAt), format.seconds(clickhouse.seconds)) }
          : { state: 'quiet', says: reading.unknown(ago(clickhouse.readAt)) }),
    },
    {
      name: exporter.name,
      ...(away
        ? { state: 'bad', says: exporter.away(format.ago(sinceAnswer)) }
        : { state: 'good', says: exporter.good(version) }),
    },
    {
      name: erasing.name,
      ...(erasures.oldestAt === null
        ? isCurrent
          ? { state: 'good', says: erasing.good }
          : { state: 'quiet', says: erasing.before }
        : {
            state: age(erasures.oldestAt) > UNSWEPT_SECONDS ? 'bad' : 'quiet',
            says: erasing.waiting(format.number(erasures.unswept), ago(erasures.oldestAt)),
          }),
    },
    {
      name: retention.name,
      state: 'good',
      says: closedDay === null ? retention.none : retention.closed(format.date(closedDay)),
    },
  ];
}

/** Told by its shape as well as by its colour. */
function Sign({ state, label }: { state: State; label: string }) {
  return (
    <svg role="img" aria-label={label} viewBox="0 0 20 20" width="20" height="20">
      {state === 'bad' ? <path d="M10 1.5 19 18H1Z" /> : <circle cx="10" cy="10" r="8.5" />}
      <path className="overview-stroke" d={STROKES[state]} />
    </svg>
  );
}

const STROKES: Record<State, string> = {
  good: 'M6 10.5l2.75 2.75L14 7.5',
  quiet: 'M6 10h8',
  bad: 'M10 7.5v4.5M10 14.6v.4',
};
