/**
 * Feeds again what materialized views make of rows that are there already: an insert that broke off between its rows
 * and its views leaves the views behind. All that is fed keeps a minimum, a maximum or the latest, so that feeding it
 * twice changes nothing.
 */
import { quoteName, quoteText } from './ddl.ts';
import { TOUCHES } from './edge_builds.ts';
import { FEEDS } from './rollups.ts';
import type { View } from './view.ts';

/** One statement with the settings that it needs. */
export interface Refeed {
  readonly sql: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Views that rows are fed to as they come in. */
const FED: readonly View[] = [...FEEDS, ...TOUCHES];

/**
 * What to run, in any order; nothing where a table feeds no view.
 * @param table whose rows may not have been fed
 * @param sinceNs first time of these rows, nanoseconds since the epoch
 * @param untilNs last time of them
 */
export function refeeds(database: string, table: string, sinceNs: bigint, untilNs: bigint): Refeed[] {
  const times = `time >= fromUnixTimestamp64Nano(${sinceNs}) AND time <= fromUnixTimestamp64Nano(${untilNs})`;
  const filter = `{${quoteText(`${database}.${table}`)}: ${quoteText(times)}}`;
  return FED.flatMap(({ feed, select }) => {
    if (feed?.from !== table) return [];
    const into = `${quoteName(database)}.${quoteName(feed.into)}`;
    const settings = { additional_table_filters: filter, insert_deduplicate: '0' };
    return [{ sql: `INSERT INTO ${into} ${select(database)}`, settings }];
  });
}
