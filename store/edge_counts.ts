/**
 * What is counted of an edge, each fact once although both ends may have seen it: c_… is what the client's end added up in
 * edges_1m, s_… what the server's did, b_… what both did together, all per cluster, pair of endpoints and hour of the
 * clock. A fact counts as the server saw it where that end was observed, else as the client did; what only clients saw
 * (requests that never arrived) counts besides. What counts of several pairs or hours is put together by `merge`.
 */
import { EDGE_AGGREGATES, type EdgeAggregate, OPAQUE_PROTOCOLS } from './rollups.ts';
import { FAILED_OUTCOMES } from './tables.ts';

const OUTCOMES = [...FAILED_OUTCOMES, 'unknown', 'ok', 'client_error'];
const total = (side: string, outcomes: readonly string[]) =>
  `(${outcomes.map((outcome) => `${side}_requests_${outcome}`).join(' + ')})`;
const beyond = (more: string, less: string) => `toUInt64(if(${more} > ${less}, ${more} - ${less}, 0))`;

const [C_ALL, S_ALL, C_ERRORS, S_ERRORS] = [
  total('c', OUTCOMES),
  total('s', OUTCOMES),
  total('c', FAILED_OUTCOMES),
  total('s', FAILED_OUTCOMES),
];
const ONLY_CLIENT = beyond(C_ALL, S_ALL);
const SERVER_FLOWS = '(s_segments_from_client + s_segments_from_server > 0)';
const CLIENT_FLOWS = '(c_segments_from_client + c_segments_from_server > 0)';

const timed = (name: string) => `if(${S_ALL} = 0, c_${name}, s_${name})`;
const byServer = (name: string) => `if(${SERVER_FLOWS}, s_${name}, c_${name})`;
const byClient = (name: string) => `if(${CLIENT_FLOWS}, c_${name}, s_${name})`;
const byBoth = (name: string) => `b_${name}`;
const most = (name: string) => `greatest(c_${name}, s_${name})`;

/** A number of one pair of endpoints in one hour, counted once, and how those of several are put together. */
export interface EdgeCount {
  readonly name: string;
  /** SQL over c_…, s_… and b_…. */
  readonly of: string;
  readonly merge: EdgeAggregate['merge'];
  readonly type: string;
  readonly unit: EdgeAggregate['unit'];
  readonly doc: string;
}

const sum = (name: string, of: string, doc: string, unit: EdgeCount['unit'] = 'count'): EdgeCount => ({
  ...{ name, of, doc, unit },
  merge: 'sum',
  type: 'UInt64',
});

/** Of an aggregate of edges_1m that is no sum, or whose doc says all that there is to say. */
function like(aggregate: string, by: (name: string) => string): EdgeCount {
  const { name, merge, type, unit, doc } = EDGE_AGGREGATES.find((one) => one.name === aggregate)!;
  return { name: `n_${name}`, of: by(name), merge, type, unit, doc };
}

/** All numbers that measures of edges are made of. */
export const EDGE_COUNTS: readonly EdgeCount[] = [
  sum('n_requests', `if(${S_ALL} = 0, ${C_ALL}, ${S_ALL} + ${ONLY_CLIENT})`, 'Requests.'),
  sum(
    'n_errors',
    `if(${S_ALL} = 0, ${C_ERRORS}, ${S_ERRORS} + least(${ONLY_CLIENT}, ${beyond(C_ERRORS, S_ERRORS)}))`,
    `Requests whose outcome was ${FAILED_OUTCOMES.join(', ')}.`,
  ),
  sum('n_client_errors', timed('requests_client_error'), 'Requests whose outcome was client_error.'),
  sum('n_timed', `if(${S_ALL} = 0, ${C_ALL}, ${S_ALL})`, 'Requests of n_duration_ns_sum.'),
  like('duration_ns_sum', timed),
  like('duration_ns_histogram', timed),
  like('connections_opened', byServer),
  like('connections_closed', byServer),
  like('connections_failed', most),
  like('bytes_from_client', byServer),
  like('bytes_from_server', byClient),
  sum('n_segments', 'c_segments_from_client + s_segments_from_server', 'Segments that observed ends sent.', 'segments'),
  sum(
    'n_retransmitted_segments',
    'c_retransmitted_segments_from_client + s_retransmitted_segments_from_server',
    'Segments that observed ends sent again.',
    'segments',
  ),
  ...['srtt_us_sum', 'srtt_samples', 'srtt_us_max', 'min_rtt_us'].map((name) => like(name, byBoth)),
  ...OPAQUE_PROTOCOLS.map((carried) => like(`opaque_${carried}`, most)),
  ...['retransmit', 'reset_sent', 'reset_received', 'drop', 'zero_window', 'accept_overflow'].map((kind) =>
    like(`events_${kind}`, byBoth),
  ),
];

const SIDES: Readonly<Record<string, string>> = {
  c: "observation_point = 'client'",
  s: "observation_point != 'client'",
};

/** What one pair's edges add up to. */
export interface SeenByEnds {
  /** The aggregates of edges_1m that are needed for it. */
  readonly aggregates: readonly EdgeAggregate[];
  /** c_…, s_… and b_…, as SQL aggregates over rows of edges that have the observed end. */
  readonly columns: readonly string[];
}

/**
 * What counts are made of, as far as these need it.
 * @param of SQL of an aggregate in the rows that are added up
 * @param isGathered whether histograms are only gathered: a sum of maps for each of many pairs costs many times what all
 * else does. Buckets then repeat
 */
export function seenByEnds(
  counts: readonly EdgeCount[],
  of: (name: string) => string = (name) => name,
  isGathered = false,
): SeenByEnds {
  const used = new Set(counts.flatMap((count) => count.of.match(/\b[bcs]_\w+/g) ?? []));
  const side = ({ name, merge, type }: EdgeAggregate, condition: string): string => {
    if (merge !== 'sumMap' || !isGathered) return `${merge}If(${of(name)}, ${condition})`;
    const parts = [`mapKeys(${of(name)})`, `mapValues(${of(name)})`];
    return `CAST((${parts.map((part) => `groupArrayArrayIf(${part}, ${condition})`).join(', ')}), '${type}')`;
  };
  const columnsOf = (one: EdgeAggregate): [string, string][] => [
    [`b_${one.name}`, `${one.merge}(${of(one.name)})`],
    ...Object.entries(SIDES).map(([letter, condition]): [string, string] => [
      `${letter}_${one.name}`,
      side(one, condition),
    ]),
  ];
  const told = EDGE_AGGREGATES.map((one) => ({ one, columns: columnsOf(one).filter(([name]) => used.has(name)) }));
  return {
    aggregates: told.filter(({ columns }) => columns.length > 0).map(({ one }) => one),
    columns: told.flatMap(({ columns }) => columns.map(([name, made]) => `${made} AS ${name}`)),
  };
}
