/** Everything the database holds, in the order in which it is created. */
import { createHash } from 'node:crypto';
import { createTableSql, quoteName, quoteText } from './ddl.ts';
import { TABLES, type Table } from './tables.ts';

/** A view; one that is fed by inserts if `into` names a table. */
export interface View {
  readonly name: string;
  readonly doc: string;
  /** Table whose inserts feed it and table it writes to, for a materialized view. */
  readonly feed?: { readonly from: string; readonly into: string };
  /** Its SELECT; tables are named with the database given. */
  readonly select: (database: string) => string;
}

/** Tables and views of one database. */
export interface Schema {
  readonly tables: readonly Table[];
  readonly views: readonly View[];
}

/** What this version of Flowspan wants. */
export const SCHEMA: Schema = { tables: TABLES, views: [] };

/** CREATE for a view. Its comment ends with the hash by which a later migration sees whether it has changed. */
export function createViewSql(database: string, view: View): string {
  const name = `${quoteName(database)}.${quoteName(view.name)}`;
  const head =
    view.feed === undefined
      ? `CREATE OR REPLACE VIEW ${name}`
      : `CREATE MATERIALIZED VIEW IF NOT EXISTS ${name} TO ${quoteName(database)}.${quoteName(view.feed.into)}`;
  return `${head} AS\n${view.select(database)}\nCOMMENT ${quoteText(viewComment(database, view))}`;
}

/** Comment of a view. */
export function viewComment(database: string, view: View): string {
  return `${view.doc} [${hashOf(view.select(database))}]`;
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
