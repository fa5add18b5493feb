/** What a request asks of the engine: its statement under the settings that its account may have. */
import type { Account } from './accounts.ts';
import type { Job } from './engine.ts';
import type { Asked } from './http_request.ts';
import { type ReaderLimits, readerSettings } from './reader_settings.ts';
import type { Refusals } from './refusals.ts';

/** What decides about settings. */
export interface JobRules {
  readonly refusals: Refusals;
  readonly readerLimits: ReaderLimits;
}

/**
 * The job for one statement.
 * @throws EngineError for settings that the account may not have, or that hold what is refused in SQL
 */
export function jobFor({ refusals, readerLimits }: JobRules, account: Account, asked: Asked, sql: string): Job {
  const settings =
    account.role === 'reader' ? readerSettings(asked.settings, readerLimits) : writerSettings(asked.settings);
  for (const name of ['additional_table_filters', 'additional_result_filter']) {
    if (settings[name] !== undefined) refusals.checkExpressions(settings[name]);
  }
  return {
    sql,
    role: account.role,
    database: asked.database,
    settings,
    parameters: asked.parameters,
    format: asked.defaultFormat,
  };
}

/** Settings of the writer: all that the engine knows, without those that only ClickHouse's HTTP handler reads. */
function writerSettings(asked: ReadonlyMap<string, string>): Record<string, string> {
  const { wait_end_of_query: _, log_comment: __, ...settings } = Object.fromEntries(asked);
  return settings;
}

/** One block per insert, so that it is there whole or not at all; the token decides about retries, equal rows do not. */
export function insertSettings(asked: Readonly<Record<string, string>>): Record<string, string> {
  const token = asked.insert_deduplication_token ?? '';
  return {
    deduplicate_blocks_in_dependent_materialized_views: '1',
    ...asked,
    insert_deduplicate: token === '' ? '0' : '1',
    async_insert: '0',
    max_insert_threads: '1',
  };
}
