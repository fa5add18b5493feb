/** What ClickHouse's errors mean to whoever asked. */
import { ClickHouseError } from '@clickhouse/client';
import { EngineError } from '../../store/embedded/engine_error.ts';
import { QueryError } from './errors.ts';
import { MAX_RESULT_ROWS } from './limits.ts';
import type { Limits } from './options.ts';

interface Meaning {
  readonly status: number;
  readonly code: string;
  readonly words: string;
  /** Configuration key of the limit that was met. */
  readonly limit?: keyof Limits;
  /** Name of a limit that is the store's own. */
  readonly storeLimit?: string;
  readonly next?: string;
}

const LESS = 'Ask for less time, filter more, or raise the limit in the configuration.';
const TOO_DEAR = { status: 422, code: 'FLOW_QUERY_TOO_DEAR', next: LESS };
const TOO_SLOW = { status: 504, code: 'FLOW_QUERY_TOO_SLOW', limit: 'max_execution_s', next: LESS } as const;
const REJECTED = {
  status: 400,
  code: 'FLOW_QUERY_REJECTED',
  words: 'the store does not understand what this question became',
};
const NOT_MIGRATED = {
  status: 503,
  code: 'FLOW_QUERY_STORE_NOT_READY',
  words: 'the store has no tables yet',
  next: 'Start a collector once: it creates the tables.',
};

/** By ClickHouse's error code. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  36: REJECTED,
  46: REJECTED,
  47: REJECTED,
  53: REJECTED,
  62: REJECTED,
  457: REJECTED,
  60: NOT_MIGRATED,
  81: NOT_MIGRATED,
  158: { ...TOO_DEAR, words: 'the question looks at more rows than allowed', limit: 'max_rows_to_read' },
  307: { ...TOO_DEAR, words: 'the question looks at more bytes than allowed', storeLimit: 'max_bytes_to_read' },
  396: {
    ...TOO_DEAR,
    words: 'the answer has more rows than the store gives',
    storeLimit: `max_result_rows = ${MAX_RESULT_ROWS}, or less if store.max_result_rows is`,
  },
  159: { ...TOO_SLOW, words: 'the question took longer than allowed and was cut off' },
  160: { ...TOO_SLOW, words: 'the question would take longer than allowed' },
  241: {
    status: 503,
    code: 'FLOW_QUERY_OUT_OF_MEMORY',
    words: 'the question needs more memory than allowed',
    limit: 'max_memory_bytes',
    next: LESS,
  },
  202: {
    status: 503,
    code: 'FLOW_QUERY_STORE_BUSY',
    words: 'the store answers as many questions at once as it may',
    next: 'Ask again in a moment.',
  },
  394: { status: 499, code: 'FLOW_QUERY_CANCELLED', words: 'the question was cancelled' },
  164: {
    status: 403,
    code: 'FLOW_QUERY_REFUSED',
    words: 'the store does not let this account ask that',
    next: 'Check clickhouse.user of the query API.',
  },
  497: {
    status: 403,
    code: 'FLOW_QUERY_REFUSED',
    words: 'the store does not let this account read the tables',
    next: 'Grant it SELECT on the database.',
  },
  516: {
    status: 503,
    code: 'FLOW_QUERY_STORE_LOGIN',
    words: "the store refuses the query API's own account",
    next: 'Check clickhouse.user and clickhouse.password, or store.reader_password.',
  },
};

/**
 * The error to answer with.
 * @param signal of the one who asked; an error after its end means that they went away
 */
export function toQueryError(error: unknown, limits: Limits, signal?: AbortSignal): QueryError {
  if (error instanceof QueryError) return error;
  if (signal?.reason instanceof QueryError) return signal.reason;
  if (signal?.aborted) return new QueryError(499, 'FLOW_QUERY_CANCELLED', 'the client went away', { cause: error });
  if (error instanceof Error && error.message === CLIENT_TIMEOUT) {
    return problem(MEANINGS[159]!, limits, error);
  }
  // our own queue is full, or the store's
  if (error instanceof EngineError && error.code === 202) return problem(MEANINGS[202]!, limits, error);
  if (!(error instanceof ClickHouseError)) {
    return new QueryError(503, 'FLOW_QUERY_STORE_UNREACHABLE', 'the store does not answer', {
      next_step: 'Check that the store runs and that clickhouse.url is right; flowspan status tells.',
      cause: error,
    });
  }
  const meaning = MEANINGS[error.code];
  if (meaning === undefined) {
    return new QueryError(
      502,
      'FLOW_QUERY_STORE_ERROR',
      `the store failed with code ${error.code} (${error.type ?? ''})`,
      {
        next_step: 'Read the log of flowspan query-api at this time.',
        cause: error,
      },
    );
  }
  return problem(meaning, limits, error);
}

/** The error of a question that has taken longer than it may. */
export function tooSlow(max_execution_s: number): QueryError {
  const { status, code, next } = TOO_SLOW;
  return new QueryError(status, code, 'the question took longer than allowed and was cut off', {
    limit: `query_api.max_execution_s = ${max_execution_s}`,
    next_step: next,
  });
}

/** What @clickhouse/client says when no answer came in time. */
const CLIENT_TIMEOUT = 'Timeout error.';

function problem(
  { status, code, words, limit, storeLimit, next }: Meaning,
  limits: Limits,
  cause: unknown,
): QueryError {
  const met = limit === undefined ? storeLimit : `query_api.${limit} = ${limits[limit]}`;
  return new QueryError(status, code, words, {
    ...(met === undefined ? {} : { limit: met }),
    ...(next === undefined ? {} : { next_step: next }),
    cause,
  });
}
