/**
 * Rows with the ends that they are known to have had. A collector writes down who an end is as far as it knows then; what
 * it told by address is a hint, because news of who has an address may be late. It is decided whenever rows are read,
 * from `endpoint_addresses`: late news corrects rows without anything being rewritten.
 *
 * The rule, for an address at a time:
 * 1. An endpoint that surely had it then.
 * 2. Else, if just one can have had it, that one; if several can, nobody knows.
 * 3. Else what the row says, unless it names an endpoint that is known to have had the address at another time.
 *
 * An address is held once at a time: a claim ends at the latest where a later one is sure. Without that an endpoint whose
 * end nobody told would have the address back as soon as the next one left it. Of two that are sure from the same moment
 * neither is the later one: nobody knows.
 */
import { tableSql } from './ddl.ts';
import { allColumns } from './remainders.ts';
import { ENDPOINT_ADDRESSES, FLOWS, REQUESTS, type StoredTable, TCP_EVENTS } from './tables.ts';
import type { View } from './view.ts';

/** A span of rows' time, as SQL of type DateTime64. */
export interface TimeWindow {
  readonly since: string;
  readonly until: string;
}

/** Ends of rows that were settled up to so long before a window need no claims of their own looked up. */
const MARGIN_S = 3600;

/** An open end is later than this. */
const NEVER = "toDateTime64('2200-01-01 00:00:00', 9, 'UTC')";

/**
 * When the ends of a row were who they are asked for, as SQL over a row: as early as the row can tell, because a
 * connection goes on to name its ends after the address of one was given to somebody else.
 */
const SETTLED: Readonly<Record<string, string>> = {
  [FLOWS.name]: 'time - toIntervalNanosecond(if(protocol = 6, connection_age_ns, duration_ns))',
  [REQUESTS.name]: 'time - toIntervalNanosecond(duration_ns)',
  [TCP_EVENTS.name]: 'time - toIntervalNanosecond(greatest(connection_age_ns, latency_ns))',
};

/**
 * Rows, as SQL over a row `r`, that may be late packets of a connection that nobody remembers: whoever has their address
 * need not be whom they are of. Such an end counts only if it has had the address for longer than packets stray.
 */
const STRAY: Readonly<Record<string, string>> = {
  [TCP_EVENTS.name]: "r.connection_age_ns = 0 AND r.event_kind IN ('drop', 'reset_sent', 'reset_received')",
};
/** Longest that a kernel sends segments of a closed connection again, by default: tcp_fin_timeout and TIME_WAIT, 60 s. */
const STRAY_S = 60;

type End = 'source' | 'destination';
const ENDS: readonly End[] = ['source', 'destination'];

/** Address by which an end of a row `alias` is decided. */
export function askedAddress(end: End, alias: string): string {
  if (end === 'source')
    return `if(${alias}.client_address = toIPv6('::'), ${alias}.source_address, ${alias}.client_address)`;
  return `if(${alias}.backend_port = 0, ${alias}.destination_address, ${alias}.backend_address)`;
}

/** Condition that what a row `alias` says of an end is a hint. */
export const isHint = (end: End, alias: string): string => `${alias}.${end}_basis NOT IN ('socket', 'cgroup')`;

/** Name of the view of a table's resolved rows. */
export const resolvedName = (table: StoredTable): string => `${table.name}_resolved`;

/** Column of the resolved rows that holds what the row itself says of an end. */
export const stampOf = (end: End): string => `stamped_${end}_endpoint_id`;

/** Which claims are read. */
interface ClaimsRead {
  readonly database?: string | undefined;
  /** Addresses that are asked for, as a subquery; all if absent. */
  readonly addresses?: string | undefined;
  /** Leaves out claims that were over before the window, but of the addresses that rows settled before it ask for. */
  readonly held?: { readonly window: TimeWindow; readonly long: string } | undefined;
}

function claims(columns: string, { database, addresses, held }: ClaimsRead, final = 'FINAL'): string {
  const conditions = [
    ...(held === undefined
      ? []
      : [
          `valid_from < ${held.window.until}`,
          `(valid_to >= ${held.window.since} - toIntervalSecond(${MARGIN_S}) OR address IN (${held.long}))`,
        ]),
    ...(addresses === undefined ? [] : [`address IN (${addresses})`]),
  ];
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return `SELECT ${columns} FROM ${tableSql(database, ENDPOINT_ADDRESSES)} ${final}${where}`;
}

/**
 * Who had each address from when on, until the next row of the same address: `told` is 1 where the claims decide it, and
 * `owner_id` then 0 if they leave several. Sums over claims that have begun and not ended tell how many hold at a time
 * and who: claims are all of one endpoint if their ids have no variance.
 */
function owners(read: ClaimsRead): string {
  const facts = 'cluster, address, endpoint_id, valid_from, sure_from, sure_to, valid_to';
  const isSure = 'sure_from < sure_to';
  const sums = (of: 'sure' | 'possible') =>
    ['', ' * id', ' * id * id'].map((by, power) => `sum(${of}${by}) OVER by_time AS ${of}_${power}`).join(', ');
  const one = (of: 'sure' | 'possible') =>
    `if(${of}_0 * ${of}_2 = ${of}_1 * ${of}_1, toUInt64(intDivOrZero(${of}_1, ${of}_0)), 0)`;
  return `(
    SELECT cluster AS claimed_in, address, since, sure_0 > 0 OR possible_0 > 0 AS told, if(sure_0 > 0, ${one('sure')}, ${one('possible')}) AS owner_id
    FROM (
      SELECT cluster, address, since, ${sums('sure')}, ${sums('possible')}
      FROM (
        SELECT cluster, address, toInt256(endpoint_id) AS id,
          arrayJoin([(valid_from, 0, 1), (valid_to, 0, -1), (sure_from, ${isSure}, 0), (sure_to, -(${isSure}), 0)]) AS change,
          change.1 AS since, toInt256(change.2) AS sure, toInt256(change.3) AS possible
        FROM (
          SELECT * REPLACE (least(sure_to, next_from) AS sure_to, least(valid_to, next_from) AS valid_to)
          FROM (
            SELECT *, if(${isSure}, ifNull(minOrNull(if(${isSure}, sure_from, NULL)) OVER later, valid_to), valid_to) AS next_from
            FROM (${claims(facts, read)})
            WINDOW later AS (PARTITION BY cluster, address ORDER BY toUnixTimestamp64Nano(sure_from) DESC RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
          )
        )
        WHERE valid_from < valid_to AND since < ${NEVER}
      )
      WINDOW by_time AS (PARTITION BY cluster, address ORDER BY since)
    )
  )`;
}

function endpointOf(table: StoredTable, end: End, read: ClaimsRead): string {
  const stamp = `r.${end}_endpoint_id`;
  // A set of hashes costs a third of a set of tuples; a false hit (one in 2^64) would leave an end unknown. Whoever ever
  // had the address is in it: news that are late by hours name those whom rows should not have named any more.
  const claimants = claims('cityHash64(cluster, address, endpoint_id)', { ...read, held: undefined }, '');
  const known = `cityHash64(r.cluster, r.${end}_asked, ${stamp}) IN (${claimants})`;
  const stray = STRAY[table.name];
  const isNew = stray && `${stray} AND ${end}_owner.since > r.settled - toIntervalSecond(${STRAY_S})`;
  const owner = isNew === undefined ? `${end}_owner.owner_id` : `if(${isNew}, 0, ${end}_owner.owner_id)`;
  return `multiIf(NOT ${isHint(end, 'r')}, ${stamp}, ${end}_owner.told, ${owner}, ${known}, 0, ${stamp})`;
}

/** What of a table's rows is resolved. */
export interface RowsToResolve {
  /** What to read them from: a subquery in parentheses with all columns of the table. */
  readonly from: string;
  /** The ends that are decided. */
  readonly ends: readonly End[];
  /** undefined: the connection's own. */
  readonly database?: string | undefined;
  /** Time that the rows are of, where it is known: claims that do not matter to them are not read. */
  readonly window?: TimeWindow | undefined;
  /**
   * Whether claims are read of those addresses only that the rows ask for. That reads the rows twice, and is cheaper
   * where claims are many: putting 150,000 in order takes a second of CPU.
   */
  readonly onlyAsked?: boolean | undefined;
}

const stamps = (ends: readonly End[]) => ends.map((end) => `r.${end}_endpoint_id AS ${stampOf(end)}`).join(', ');

/** SELECT of rows of flows, requests or tcp_events with these ends decided, and what the rows said in `stamped_…`. */
export function decidedRows(table: StoredTable, read: RowsToResolve): string {
  const { from, ends, database, window, onlyAsked = false } = read;
  const settled = SETTLED[table.name];
  const claimsOf = (end: End): ClaimsRead => {
    const addresses = `SELECT ${askedAddress(end, 'r')} FROM ${from} AS r WHERE ${isHint(end, 'r')}`;
    const held = window && {
      window,
      long: `${addresses} AND r.time >= ${window.since} AND r.time < ${window.until} AND ${settled} < ${window.since} - toIntervalSecond(${MARGIN_S})`,
    };
    return { database, held, ...(onlyAsked ? { addresses } : {}) };
  };
  const asked = ends.map((end) => `${askedAddress(end, 'r')} AS ${end}_asked`).join(', ');
  const decided = ends.map((end) => `${endpointOf(table, end, claimsOf(end))} AS ${end}_endpoint_id`).join(', ');
  const joins = ends.map(
    (end) =>
      `ASOF LEFT JOIN ${owners(claimsOf(end))} AS ${end}_owner ON r.cluster = ${end}_owner.claimed_in AND r.${end}_asked = ${end}_owner.address AND r.settled >= ${end}_owner.since`,
  );
  return `SELECT r.* EXCEPT (settled, ${ends.map((end) => `${end}_asked`).join(', ')}) REPLACE (${decided}), ${stamps(ends)}
  FROM (SELECT r.*, ${settled} AS settled, ${asked} FROM ${from} AS r) AS r
  ${joins.join('\n  ')}`;
}

/**
 * The resolved rows of flows, requests or tcp_events as a subquery in parentheses: all columns, endpoint ids decided, and
 * what the rows said in `stamped_…`.
 * @param window time that the rows are of which are asked for, where it is known
 */
export function resolvedRows(database: string, table: StoredTable, window?: TimeWindow): string {
  const rows = tableSql(database, table);
  // Where nobody claims an address, rows are what they say: the first branch then costs nothing, and else the second.
  const nobody = `(SELECT count() = 0 FROM (${claims('1', { database }, '')} LIMIT 1))`;
  const all = allColumns(table, 'r');
  const from = `(SELECT ${all} FROM ${rows} AS r WHERE NOT ${nobody})`;
  return `(
  SELECT ${all}, ${stamps(ENDS)} FROM ${rows} AS r WHERE ${nobody}
  UNION ALL
  ${decidedRows(table, { from, ends: ENDS, database, window })}
)`;
}

/** One view per table whose rows have two ends. */
export const RESOLVED_VIEWS: readonly View[] = [FLOWS, REQUESTS, TCP_EVENTS].map((table) => ({
  name: resolvedName(table),
  doc: `${table.name} with the ends that they are known to have had: what was told by address is decided when it is read.`,
  select: (database) => `SELECT * FROM ${resolvedRows(database, table)}`,
}));
