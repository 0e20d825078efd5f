import fc from 'fast-check';
import { emptyHistory, type History, join, prune, readHistory, record } from '../src/history.js';
import type { Action } from '../src/types.js';

/** The actions of the categories error and performance, whose events are no study time. */
export const NOT_STUDY: readonly Action[] = ['client_error', 'api_error', 'page_load', 'interaction_time'];

export interface Happened {
  session: string;
  action: Action;
  /** Milliseconds since 1970. */
  at: number;
}

/** An event in one of the tabs, after which one tab may read what another has written. */
interface Step {
  tab: number;
  event: number;
  read: [reader: number, writer: number] | null;
}

const TABS = 4;

/** Every way in which so many events may come to several tabs, and these may meet. */
export function interleavings(events: number): fc.Arbitrary<Step[]> {
  const tab = fc.nat(TABS - 1);
  const order = fc.shuffledSubarray([...Array(events).keys()], { minLength: events });
  const rest = fc.array(fc.tuple(tab, fc.option(fc.tuple(tab, tab))), {
    minLength: events,
    maxLength: events,
  });
  return fc.tuple(order, rest).map(([indices, others]) =>
    indices.map((event, index) => ({
      event,
      tab: others[index]?.[0] ?? 0,
      read: others[index]?.[1] ?? null,
    })),
  );
}

/** What the tabs know together at the end. `now` is when they look for what is too old; never, unless told. */
export function playedOnTabs(events: readonly Happened[], steps: readonly Step[], now?: number): History {
  const tabs = Array.from({ length: TABS }, () => emptyHistory());
  const at = (tab: number) => tabs[tab] as History;
  for (const { tab, event, read } of steps) {
    const { session, action, at: moment } = events[event] as Happened;
    tabs[tab] = record(at(tab), `tab-${tab}`, session, action, moment);
    if (now !== undefined) tabs[tab] = prune(at(tab), now);
    if (read) tabs[read[0]] = join(at(read[0]), readHistory(JSON.parse(JSON.stringify(at(read[1])))));
  }
  return tabs.reduce(join);
}

/** All of it in one tab, in the order given. */
export function played(events: readonly Happened[]): History {
  return events.reduce(
    (history, { session, action, at }) => record(history, 'tab', session, action, at),
    emptyHistory(),
  );
}
