/** What the one who asks may see. Every query and every live row passes here: tenancy attaches to this. */
import type { Parameters } from './sql/parameters.ts';

/** Rows that an asker may see. */
export interface Scope {
  /** Clusters whose rows may be seen; `all` for every one. */
  readonly clusters: 'all' | readonly string[];
  /**
   * Whether somebody told who had which address in the time asked for, and whether many did. Then rows' ends are decided
   * as they are read (sql/rows.ts); with `none`, as without Kubernetes, rows are read as they are.
   */
  readonly claims: 'none' | 'few' | 'many';
}

/** The scope of whoever shows the API's token, or of this machine's users on loopback. */
export const EVERYTHING: Scope = { clusters: 'all', claims: 'few' };

/** What is asked of, as far as endpoints are looked up for it. */
export interface Asked {
  readonly scope: Scope;
  /** Begin of the time asked for, nanoseconds since the epoch. */
  readonly since: bigint;
}

/** A table to read from and the condition that keeps to the scope; both belong into the query. */
export interface ScopedTable {
  readonly from: string;
  readonly condition: string;
}

/**
 * The only way in which SQL names a table that holds anybody's rows.
 * @param table name of the table; it must have a column `cluster`
 * @param alias name by which the query calls it
 */
export function scoped(scope: Scope, table: string, alias: string, parameters: Parameters): ScopedTable {
  const condition =
    scope.clusters === 'all' ? '1' : `${alias}.cluster IN ${parameters.bind(scope.clusters, 'Array(String)')}`;
  return { from: `${table} AS ${alias}`, condition };
}

/** Tables that hold nothing of any asker's: definitions, what the store deleted, and which hours it has built. */
const WITHOUT_SCOPE = ['system.tables', 'expirations', 'edge_hours'] as const;

/** The only way in which SQL names a table to which no scope applies. */
export function withoutScope(table: (typeof WITHOUT_SCOPE)[number]): string {
  return table;
}

/** Whether a row of the live feed is in the scope. */
export function inScope(scope: Pick<Scope, 'clusters'>, row: Readonly<Record<string, unknown>>): boolean {
  return scope.clusters === 'all' || scope.clusters.includes(String(row.cluster));
}
