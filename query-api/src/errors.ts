/** Errors of the query API and how HTTP shows them: application/problem+json (RFC 9457). */
import { FlowspanError } from '../../store/errors.ts';

/** What a problem may carry beside its code and sentence. */
export interface ProblemDetails {
  /** Query parameter that was wrong. */
  readonly parameter?: string;
  /** What it said. */
  readonly value?: string;
  /** What it may say: words, or a sentence. */
  readonly allowed?: string | readonly string[];
  /** Name and value of the limit that refused or cut off the question. */
  readonly limit?: string;
  /** What to do about it. */
  readonly next_step?: string;
  readonly cause?: unknown;
}

/** An error that has an HTTP status and a code of the form FLOW_QUERY_<WHAT>. */
export class QueryError extends FlowspanError {
  /** HTTP status of the answer. */
  readonly status: number;
  readonly details: ProblemDetails;

  constructor(status: number, code: string, message: string, details: ProblemDetails = {}) {
    super(code, message, details.cause === undefined ? {} : { cause: details.cause });
    this.status = status;
    this.details = details;
  }
}

const TITLES: Record<number, string> = {
  400: 'The question cannot be understood',
  401: 'A token is needed',
  403: 'Not allowed',
  404: 'Not found',
  406: 'No such format',
  408: 'The request came too slowly',
  413: 'The question is too long',
  415: 'The question is no JSON',
  422: 'The question is too dear',
  426: 'WebSocket only',
  429: 'Too much at once',
  431: 'The head of the request is too long',
  499: 'The client went away',
  500: 'The query API failed',
  502: 'The store answered something unexpected',
  503: 'The store is not ready',
  504: 'The question took too long',
};

/** Media type of problems. */
export const PROBLEM_TYPE = 'application/problem+json';

/** The body of a problem. Unknown errors are not shown: their text may hold what is nobody's business. */
export function problemOf(error: unknown, instance: string): Record<string, unknown> {
  const known =
    error instanceof QueryError
      ? error
      : new QueryError(500, 'FLOW_QUERY_FAILED', 'the query API failed; its log says why', {
          next_step: 'Read the log of flowspan query-api at this time.',
        });
  const { cause: _hidden, ...details } = known.details;
  return {
    type: `urn:flowspan:problem:${known.code}`,
    title: TITLES[known.status] ?? 'Error',
    status: known.status,
    code: known.code,
    detail: known.message,
    instance,
    ...details,
  };
}

/** A parameter whose value is not allowed. */
export function badValue(parameter: string, value: string, allowed: string | readonly string[]): QueryError {
  const words = typeof allowed === 'string' ? allowed : `one of ${allowed.join(', ')}`;
  return new QueryError(
    400,
    'FLOW_QUERY_BAD_VALUE',
    `${parameter}: ${JSON.stringify(value)} is not allowed; allowed is ${words}`,
    { parameter, value, allowed },
  );
}
