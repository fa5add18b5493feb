/** /readyz: whether the tables can be read at all. */
import { REQUESTS } from '../../../store/tables.ts';
import { type Scope, scoped } from '../scope.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** Reads nothing, and fails where a question would. */
export function readinessSql(scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  return { sql: `SELECT t.time FROM ${from} WHERE ${condition} LIMIT 0`, parameters };
}
