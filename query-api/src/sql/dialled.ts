/**
 * What the initiator dialled. It is the client's end that knows; where a request is told by the server's view, that view
 * takes it from the client's view of the same exchange.
 */
import { REQUESTS } from '../../../store/tables.ts';
import type { Window } from '../question.ts';
import { type Scope, scoped } from '../scope.ts';
import { hop, inWindow, OTHER_END_WITHIN_NS } from './conditions.ts';
import type { Parameters } from './parameters.ts';

/** Columns of what was dialled, and where that led to. */
export const SERVICE_COLUMNS = ['service_namespace', 'service_name', 'service_port'];
export const BACKEND_COLUMNS = ['backend_address', 'backend_port'];
export const DIALLED_COLUMNS = [...SERVICE_COLUMNS, ...BACKEND_COLUMNS];

/** Service of a row as one text, `namespace/name`; empty if none is known. */
export const SERVICE_SQL = (alias: string) =>
  `if(${alias}.service_name = '', '', concat(${alias}.service_namespace, '/', ${alias}.service_name))`;

/**
 * Rows `t` of requests that take from the client's view what they do not know themselves.
 * @param from subquery with all columns of requests
 */
export function withDialled(
  from: string,
  { scope, since, until }: Window & { readonly scope: Scope },
  parameters: Parameters,
): string {
  const { from: views, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  const around = { since: since - OTHER_END_WITHIN_NS, until: until + OTHER_END_WITHIN_NS };
  const known = [
    `SELECT t.cluster AS cluster, ${hop('t')} AS hop, ${DIALLED_COLUMNS.map((name) => `t.${name} AS ${name}`).join(', ')}`,
    `FROM ${views} WHERE ${condition} AND ${inWindow(around, 't', parameters)}`,
    `AND t.observation_point = 'client' AND (t.service_name != '' OR t.backend_port != 0)`,
  ].join(' ');
  const own = (names: readonly string[], unknown: string) =>
    names.map((name) => `if(${unknown}, dialled.${name}, t.${name}) AS ${name}`);
  return [
    `(SELECT t.* EXCEPT (${DIALLED_COLUMNS.join(', ')}),`,
    [...own(SERVICE_COLUMNS, "t.service_name = ''"), ...own(BACKEND_COLUMNS, 't.backend_port = 0')].join(', '),
    `FROM ${from} AS t LEFT ANY JOIN (${known}) AS dialled ON dialled.cluster = t.cluster AND dialled.hop = ${hop('t')})`,
  ].join(' ');
}
