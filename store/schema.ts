/** Everything the database holds, in the order in which it is created. */
import { createHash } from 'node:crypto';
import { createTableSql, onCluster, quoteName, quoteText } from './ddl.ts';
import { CURRENT_EDGES, TOUCHED_MINUTES, TOUCHES } from './edge_builds.ts';
import { EDGE_HOURS, EDGES_1H } from './edge_hours.ts';
import { EXPIRATIONS } from './expirations.ts';
import { NAMED_VIEWS } from './named_views.ts';
import { RESOLVED_VIEWS } from './resolved.ts';
import { EDGES_1M, FEEDS, TRACE_TIMES } from './rollups.ts';
import { type StoredTable, TABLES } from './tables.ts';
import { TRACE_VIEWS } from './trace_views.ts';
import type { View } from './view.ts';

/** Tables and views of one database. */
export interface Schema {
  readonly tables: readonly StoredTable[];
  readonly views: readonly View[];
}

/** What this version of Flowspan wants. */
export const SCHEMA: Schema = {
  tables: [...TABLES, EDGES_1M, TOUCHED_MINUTES, EDGES_1H, EDGE_HOURS, TRACE_TIMES, EXPIRATIONS],
  views: [...FEEDS, ...TOUCHES, ...RESOLVED_VIEWS, CURRENT_EDGES, ...NAMED_VIEWS, ...TRACE_VIEWS],
};

/** CREATE for a view. Its comment ends with the hash by which a later migration sees whether it has changed. */
export function createViewSql(database: string, view: View, cluster?: string): string {
  const name = `${quoteName(database)}.${quoteName(view.name)}${onCluster(cluster)}`;
  const head =
    view.feed === undefined
      ? `CREATE OR REPLACE VIEW ${name}`
      : `CREATE MATERIALIZED VIEW IF NOT EXISTS ${name} TO ${quoteName(database)}.${quoteName(view.feed.into)}`;
  return `${head} AS\n${view.select(database)}\nCOMMENT ${quoteText(viewComment(view))}`;
}

/** Comment of a view. */
export function viewComment(view: View): string {
  return `${view.doc} [${hashOf(view.select('database'))}]`;
}

/** Changes whenever anything about the schema does. */
export function schemaHash(database: string, schema: Schema): string {
  return hashOf(
    [
      ...schema.tables.map((table) => createTableSql(database, table)),
      ...schema.views.map((view) => createViewSql(database, view)),
    ].join('\n'),
  );
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
