/** SQL behind /v1/audit: what collectors' last reports counted, and what the store has of the same runs. */
import { COLLECTOR_REPORTS, type Table } from '../../../store/tables.ts';
import { type Scope, scoped } from '../scope.ts';
import { inWindow } from './conditions.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** Nanoseconds since the epoch. */
interface Window {
  readonly scope: Scope;
  readonly since: bigint;
  readonly until: bigint;
}

/** Runs whose counters are read at most. */
const MAX_RUNS = 10_000;

/**
 * The last report of every run of the boots during which a collector reported between since and until: runs of before,
 * too, because the store tells rows of one boot apart, not of one run. One row per run, the oldest first.
 */
export function lastReportsSql({ scope, since, until }: Window): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, COLLECTOR_REPORTS.name, 't', parameters);
  const boots = `SELECT t.node, t.boot_id FROM ${from} WHERE ${condition} AND ${inWindow({ since, until }, 't', parameters)}`;
  const last =
    `SELECT t.node, t.started, max(t.time) FROM ${from} WHERE ${condition}` +
    ` AND (t.node, t.boot_id) IN (${boots}) GROUP BY t.node, t.started`;
  const sql = [
    'SELECT t.cluster AS cluster, t.node AS node, toString(t.boot_id) AS boot_id,',
    'toUnixTimestamp64Nano(t.started) AS started_ns, toUnixTimestamp64Nano(t.time) AS time_ns,',
    `t.counters AS counters FROM ${from}`,
    `WHERE ${condition} AND (t.node, t.started, t.time) IN (${last})`,
    // two reports may be of one time: the last one says that it is
    `ORDER BY started_ns, node, t.counters['run.ended'] DESC LIMIT 1 BY node, started_ns LIMIT ${MAX_RUNS}`,
  ].join('\n');
  return { sql, parameters };
}

/** How many rows of a table the store has of some boots, by node. @param from no row of them is older */
export function storedRowsSql(table: Table, boots: readonly string[], from: bigint, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from: source, condition } = scoped(scope, table.name, 't', parameters);
  const sql = [
    `SELECT t.cluster AS cluster, t.node AS node, count() AS rows FROM ${source}`,
    `WHERE ${condition} AND t.time >= ${parameters.instant(from)}`,
    `AND t.boot_id IN ${parameters.bind(boots, 'Array(UUID)')} GROUP BY cluster, node`,
  ].join('\n');
  return { sql, parameters };
}
