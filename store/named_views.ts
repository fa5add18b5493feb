/** Views for people: resolved rows with the names of their ends. */
import { quoteName } from './ddl.ts';
import { CURRENT_EDGES } from './edge_builds.ts';
import { CONTAINER_SQL, SERVICES_SQL } from './endpoint_properties.ts';
import { resolvedName } from './resolved.ts';
import { EDGES_1M } from './rollups.ts';
import { ENDPOINTS, FLOWS, REQUESTS, type StoredTable, TCP_EVENTS } from './tables.ts';
import type { View } from './view.ts';

/** What a view says about an end, as SQL over a row `e` of `endpoints`. */
const SHOWN: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['kind', 'namespace', 'workload', 'workload_kind', 'name', 'node', 'zone', 'container_id'].map((name) => [
      name,
      `e.${name}`,
    ]),
  ),
  container: CONTAINER_SQL('e'),
  services: SERVICES_SQL('e'),
};

/** Text of an IPv6 column, v4-mapped addresses as IPv4. */
export function addressSql(address: string): string {
  return `replaceOne(toString(${address}), '::ffff:', '')`;
}

/**
 * `endpoints` as an ASOF JOIN takes it: one row per id and interval, the first of each id valid from the beginning,
 * because an id never stands for anything else than before. One more pass over a small table; never stale, as a
 * dictionary would be for the first rows of something new.
 */
function intervals(database: string, shown: Readonly<Record<string, string>>): string {
  const columns = Object.entries(shown).map(([name, of]) => `${of} AS endpoint_${name}`);
  return [
    `(SELECT e.endpoint_id AS endpoint_id, ${columns.join(', ')},`,
    `    if(row_number() OVER (PARTITION BY e.endpoint_id ORDER BY e.valid_from) = 1, toDateTime64(0, 9, 'UTC'), e.valid_from) AS since`,
    `FROM ${quoteName(database)}.${ENDPOINTS.name} AS e FINAL)`,
  ].join('\n    ');
}

/**
 * FROM clause with both ends joined: `t` is the table, `source` and `destination` the ends.
 * @param time the row's time
 * @param more what else is needed of the ends, as SQL over a row `e` of `endpoints`; it becomes endpoint_<name>
 */
export function joinedEnds(
  database: string,
  from: string,
  time: string,
  more: Readonly<Record<string, string>> = {},
): string {
  const joined = intervals(database, { ...SHOWN, ...more });
  return [
    `FROM ${from} AS t`,
    ...(['source', 'destination'] as const).map(
      (end) =>
        `ASOF LEFT JOIN ${joined} AS ${end}\n    ON t.${end}_endpoint_id = ${end}.endpoint_id AND ${time} >= ${end}.since`,
    ),
  ].join('\n');
}

function namedView(table: StoredTable, from: string, time: string, hasAddresses: boolean): View {
  const ends = (['source', 'destination'] as const).flatMap((end) => [
    ...Object.keys(SHOWN).map((name) => `${end}.endpoint_${name} AS ${end}_${name}`),
    ...(hasAddresses
      ? [
          `multiIf(${end}.endpoint_workload != '', ${end}.endpoint_workload, ${end}.endpoint_name != '', ${end}.endpoint_name, ${addressSql(`t.${end}_address`)}) AS ${end}`,
        ]
      : [`if(${end}.endpoint_workload != '', ${end}.endpoint_workload, ${end}.endpoint_name) AS ${end}`]),
  ]);
  return {
    name: `${table.name}_named`,
    doc: `${table.name} with the names of both ends.`,
    select: (database) =>
      `SELECT t.*,\n    ${ends.join(',\n    ')}\n${joinedEnds(database, `${quoteName(database)}.${from}`, time)}`,
  };
}

/** One view per table that has two ends. */
export const NAMED_VIEWS: readonly View[] = [
  namedView(FLOWS, resolvedName(FLOWS), 't.time', true),
  namedView(REQUESTS, resolvedName(REQUESTS), 't.time', true),
  namedView(TCP_EVENTS, resolvedName(TCP_EVENTS), 't.time', true),
  namedView(EDGES_1M, CURRENT_EDGES.name, "toDateTime64(t.minute + 59, 9, 'UTC')", false),
];
