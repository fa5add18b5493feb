/**
 * Requests, each once: at the server where that end was observed, else at the client. Both ends know one exchange by the
 * same two sequence numbers.
 */

import type { Filter } from '../filter/filter.ts';
import { filtersSql } from '../filter/sql.ts';
import type { Question } from '../question.ts';
import { scoped } from '../scope.ts';
import { hop, inWindow } from './conditions.ts';
import type { Parameters } from './parameters.ts';

/**
 * How far the ends of one exchange may lie apart at its two ends, in nanoseconds: clocks differ, lost last bytes are sent
 * again, and a client gives up long before the server has answered.
 */
export const OTHER_END_WITHIN_NS = 30_000_000_000n;

/** Parameters that mean the same at both ends of a connection; addresses and ports may be translated between them. */
const SAME_AT_BOTH_ENDS = new Set(['cluster', 'protocol']);

/** The filters that mean the same for both views of an exchange. */
function sharedFilters(filters: readonly Filter[]): Filter[] {
  return filters.filter(({ parameter }) => SAME_AT_BOTH_ENDS.has(parameter));
}

/** Whether the question itself says which end it means. Then nothing is joined. */
export function saysWhichEnd(question: Pick<Question, 'filters'>): boolean {
  return question.filters.some(({ parameter }) => parameter === 'observation_point');
}

/**
 * A table expression with the given columns of each request once, filters applied to the view that counts.
 * @param columns names of columns of table requests
 */
export function requestsOnceSql(
  question: Pick<Question, 'scope' | 'filters' | 'since' | 'until'>,
  columns: readonly string[],
  parameters: Parameters,
): string {
  const { scope, filters } = question;
  const { from, condition } = scoped(scope, 'requests', 't', parameters);
  const wanted = `${condition} AND ${inWindow(question, 't', parameters)} AND ${filtersSql(filters, question, parameters)}`;
  const list = columns.map((name) => `t.${name} AS ${name}`).join(', ');
  if (saysWhichEnd(question)) return `(SELECT ${list} FROM ${from} WHERE ${wanted})`;
  const around = { since: question.since - OTHER_END_WITHIN_NS, until: question.until + OTHER_END_WITHIN_NS };
  const servers =
    `SELECT ${hop('t')} FROM ${from} WHERE ${condition} AND ${inWindow(around, 't', parameters)}` +
    ` AND t.observation_point = 'server' AND ${filtersSql(sharedFilters(filters), question, parameters)}`;
  return [
    `(SELECT ${list} FROM ${from} WHERE ${wanted}`,
    `AND (t.observation_point != 'client' OR ${hop('t')} NOT IN (${servers})))`,
  ].join('\n');
}
