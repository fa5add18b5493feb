/**
 * What is shed at which level, in the order in which it is given up. Counters, metrics and rows of flows are never shed:
 * a flow row that comes later carries what the rows between would have told.
 */

/** How much detail there is. */
export interface Level {
  /** One of so many ordinary requests gets a row, which stands for them all; a power of two. */
  readonly requestWeight: number;
  /** The same for requests that failed, were slow, or met trouble on the wire. */
  readonly troubleWeight: number;
  /** Whether TCP events are counted only, without rows. */
  readonly eventsAsCounts: boolean;
  /** How many times `collector.flow_interval_s` lies between two rows of an open connection. */
  readonly flowIntervals: number;
  /** The same in words. */
  readonly words: string;
}

const ALL: Level = {
  requestWeight: 1,
  troubleWeight: 1,
  eventsAsCounts: false,
  flowIntervals: 1,
  words: 'all detail',
};

function level(before: Level, more: Partial<Level>): Level {
  return { ...before, ...more };
}

const ORDINARY = [2, 4, 8, 16, 32, 64].map((weight) =>
  level(ALL, { requestWeight: weight, words: `a row for one of ${weight} ordinary requests` }),
);
const DEEPEST_ORDINARY = ORDINARY.at(-1) as Level;
const COUNTED = level(DEEPEST_ORDINARY, { eventsAsCounts: true, words: 'and TCP events counted only' });
const SELDOM = level(COUNTED, { flowIntervals: 6, words: 'and rows of open connections six times as seldom' });

/** By number; 0 sheds nothing. */
export const LEVELS: readonly Level[] = [
  ALL,
  ...ORDINARY,
  COUNTED,
  SELDOM,
  level(SELDOM, { troubleWeight: 8, words: 'and a row for one of 8 requests that failed, were slow or met trouble' }),
  level(SELDOM, { troubleWeight: 64, words: 'and a row for one of 64 requests that failed, were slow or met trouble' }),
];

/**
 * What is given up when flows and TCP events do not fit their ring, by number; 0 is nothing. Fewer rows of requests would
 * not make room there: requests have a ring of their own.
 */
export const RECORDS_LEVELS: readonly Partial<Level>[] = [
  {},
  { flowIntervals: 6, words: 'rows of open connections six times as seldom' },
  {
    flowIntervals: 6,
    eventsAsCounts: true,
    words: 'rows of open connections six times as seldom, TCP events counted only',
  },
];

/** @param level number in `LEVELS` @param recordsLevel number in `RECORDS_LEVELS` */
export function detailOf(level: number, recordsLevel: number): Level {
  const general = LEVELS[level] as Level;
  const { words, ...more } = RECORDS_LEVELS[recordsLevel] as Partial<Level>;
  if (words === undefined || general.flowIntervals > 1) return general;
  return { ...general, ...more, words: level === 0 ? words : `${general.words}; ${words}` };
}

/** What the kernel is told to keep of one cgroup: one of so many, powers of two. */
export interface Throttle {
  readonly requestWeight: number;
  readonly troubleWeight: number;
  readonly eventWeight: number;
}

/** Steps of a throttle; 0 is none. */
export const MOST_STEPS = 12;

/** Ordinary requests and TCP events halve with each step to 1 of 1,024; from the seventh step the others do too. */
export function throttleOf(step: number): Throttle {
  return {
    requestWeight: 2 ** Math.min(step, 10),
    troubleWeight: 2 ** Math.max(0, step - 6),
    eventWeight: 2 ** Math.min(step, 10),
  };
}
