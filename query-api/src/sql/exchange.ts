/**
 * Requests, each once: at the server where that end was observed, else at the client. Both ends know one exchange by the
 * same two sequence numbers.
 */

import { REQUESTS } from '../../../store/tables.ts';
import type { Filter } from '../filter/filter.ts';
import { filtersSql } from '../filter/sql.ts';
import type { Question } from '../question.ts';
import { scoped } from '../scope.ts';
import { hop, inWindow, OTHER_END_WITHIN_NS } from './conditions.ts';
import type { Parameters } from './parameters.ts';
import { type RowsAsked, rowsSql } from './rows.ts';

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

/** Condition on rows `t` of requests: the server's view, or a client's where no server's is known. */
export function countsSql({ scope, filters, since, until }: RowsAsked, parameters: Parameters): string {
  const { from, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  const around = { since: since - OTHER_END_WITHIN_NS, until: until + OTHER_END_WITHIN_NS };
  const servers =
    `SELECT ${hop('t')} FROM ${from} WHERE ${condition} AND ${inWindow(around, 't', parameters)}` +
    ` AND t.observation_point = 'server' AND ${filtersSql(sharedFilters(filters), { scope, since }, parameters)}`;
  return `(t.observation_point != 'client' OR ${hop('t')} NOT IN (${servers}))`;
}

/**
 * A table expression with the given columns of each request once, filters applied to the view that counts.
 * @param columns names of columns of table requests
 */
export function requestsOnceSql(asked: RowsAsked, columns: readonly string[], parameters: Parameters): string {
  const once = !saysWhichEnd(asked);
  const conditions = once ? [countsSql(asked, parameters)] : [];
  const { from, where } = rowsSql(asked, { table: REQUESTS, columns, conditions, once }, parameters);
  return `(SELECT ${columns.map((name) => `t.${name} AS ${name}`).join(', ')} FROM ${from} WHERE ${where})`;
}
