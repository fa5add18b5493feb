/** What was deleted before its days were over, because the byte budget was spent: answers must say so. */
import { quoteName, quoteText } from './ddl.ts';
import type { StoredTable } from './tables.ts';

/** Per table: rows up to when are gone. TTL is not noted here; it follows from the table's days. */
export const EXPIRATIONS: StoredTable = {
  name: 'expirations',
  doc: 'Rows that the byte budget deleted before their days were over: all of the table up to expired_before.',
  columns: [
    { name: 'table_name', type: 'LowCardinality(String)', doc: 'Table that lost rows.' },
    {
      name: 'expired_before',
      type: "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))",
      doc: 'Rows of the table before this time are gone, or some of them.',
    },
    {
      name: 'bytes',
      type: 'SimpleAggregateFunction(sum, UInt64)',
      unit: 'bytes',
      doc: 'Bytes on disk set free so far.',
    },
    { name: 'rows', type: 'SimpleAggregateFunction(sum, UInt64)', unit: 'count', doc: 'Rows deleted so far.' },
  ],
  engine: 'AggregatingMergeTree',
  partitionBy: 'tuple()',
  orderBy: 'table_name',
  ttlDays: 0,
};

/** Query for one row and column, `expired_before`: up to when the budget has deleted rows of a table; NULL if never. */
export function budgetExpiredBeforeSql(database: string, table: string): string {
  return `SELECT maxOrNull(expired_before) AS expired_before FROM ${quoteName(database)}.${EXPIRATIONS.name} WHERE table_name = ${quoteText(table)}`;
}
