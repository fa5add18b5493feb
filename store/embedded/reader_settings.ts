/** Which settings a reader may send, and what becomes of them: formats pass, limits only tighten. */
import { EngineError } from './engine_error.ts';

/** Limits a reader's query runs under; 0 is none. */
export type ReaderLimits = Readonly<Record<string, number>>;

/** Of these a reader may set a lower value than the store's; a higher one, or 0 (unlimited), is cut to the store's. */
const TIGHTENING = new Set([
  'max_bytes_in_distinct',
  'max_bytes_in_join',
  'max_bytes_in_set',
  'max_bytes_to_read',
  'max_bytes_to_sort',
  'max_columns_to_read',
  'max_estimated_execution_time',
  'max_execution_time',
  'max_memory_usage',
  'max_query_size',
  'max_result_bytes',
  'max_result_rows',
  'max_rows_in_distinct',
  'max_rows_in_join',
  'max_rows_in_set',
  'max_rows_to_group_by',
  'max_rows_to_read',
  'max_rows_to_sort',
  'max_threads',
]);

/** Passed on as they are: they change how an answer looks or which rows it leaves out, never what it may cost. */
const PASSING = new Set([
  'additional_result_filter',
  'additional_table_filters',
  'date_time_input_format',
  'date_time_output_format',
  'extremes',
  'group_by_overflow_mode',
  'join_use_nulls',
  'limit',
  'offset',
  'read_overflow_mode',
  'result_overflow_mode',
  'session_timezone',
  'timeout_overflow_mode',
  'wait_end_of_query',
]);

/** Known to the front or without meaning here; taken and not passed on. */
const TAKEN = new Set([
  'cancel_http_readonly_queries_on_client_close',
  'enable_http_compression',
  'http_headers_progress_interval_ms',
  'http_response_buffer_size',
  'http_wait_end_of_query',
  'http_write_exception_in_output_format',
  'http_zlib_compression_level',
  'log_comment',
  'log_queries',
  'send_progress_in_http_headers',
  'timeout_before_checking_execution_speed',
]);

/** Settings of formats, without those that name a file or an address: schemas, templates, registries. */
const FORMAT =
  /^(?:(?:input|output)_format_(?!\w*(?:path|url|schema))|format_(?:csv|tsv|custom|json|geojson|binary)_|formatdatetime_)\w+$/;

/**
 * Settings a reader's query runs with.
 * @param asked what the request named
 * @throws EngineError 164 for a setting that readers may not change, 36 for a limit that is no number
 */
export function readerSettings(asked: ReadonlyMap<string, string>, limits: ReaderLimits): Record<string, string> {
  const settings: Record<string, string> = Object.fromEntries(
    Object.entries(limits).map(([name, limit]) => [name, String(limit)]),
  );
  for (const [name, value] of asked) {
    if (TAKEN.has(name) || (name === 'readonly' && (value === '1' || value === '2'))) continue;
    if (TIGHTENING.has(name)) {
      settings[name] = tighter(name, value, limits[name] ?? 0);
    } else if (PASSING.has(name) || FORMAT.test(name)) {
      settings[name] = value;
    } else {
      throw new EngineError(164, `Cannot modify '${name}' setting in readonly mode: leave it out`);
    }
  }
  return settings;
}

function tighter(name: string, value: string, limit: number): string {
  const wanted = Number(value);
  if (!Number.isFinite(wanted) || wanted < 0 || value.trim() === '') {
    throw new EngineError(36, `Setting ${name} wants a number, not '${value}'`);
  }
  if (limit === 0) return value;
  return String(wanted === 0 ? limit : Math.min(wanted, limit));
}
