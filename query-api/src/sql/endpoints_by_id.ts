/** Names of endpoints by id: what stands beside the ids of other questions' rows. */
import { ENDPOINTS } from '../../../store/tables.ts';
import { END_PROPERTIES } from '../endpoint_names.ts';
import { type Scope, scoped } from '../scope.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

const NAMES = END_PROPERTIES.map((property) => `argMax(e.${property}, e.updated) AS ${property}`).join(', ');

/** Most endpoints whose names are kept for the live feed: those valid longest come first. */
const MAX_KEPT = 200_000;

/** Ids that endpointNamesSql can be asked for at once. */
export const NAMES_AT_ONCE = 400;

/** The latest names of these endpoints. */
export function endpointNamesSql(ids: readonly string[], scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, ENDPOINTS.name, 'e', parameters);
  const wanted = `e.endpoint_id IN ${parameters.bind(ids.map(BigInt), 'Array(UInt64)')}`;
  const sql = `SELECT e.endpoint_id AS endpoint_id, ${NAMES} FROM ${from} WHERE ${condition} AND ${wanted} GROUP BY e.endpoint_id`;
  return { sql, parameters };
}

/** The latest names of all endpoints that are valid now or were within a day. */
export function allEndpointNamesSql(scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, ENDPOINTS.name, 'e', parameters);
  const sql =
    `SELECT e.endpoint_id AS endpoint_id, ${NAMES} FROM ${from} WHERE ${condition}` +
    ` AND e.valid_to > now64(9) - toIntervalDay(1) GROUP BY e.endpoint_id ORDER BY max(e.valid_to) DESC LIMIT ${MAX_KEPT}`;
  return { sql, parameters };
}

/** The latest names of all endpoints, as a subquery: endpoint_id and the names. */
export function latestNamesSql(scope: Scope, parameters: Parameters): string {
  const { from, condition } = scoped(scope, ENDPOINTS.name, 'e', parameters);
  return `SELECT e.endpoint_id AS endpoint_id, ${NAMES} FROM ${from} WHERE ${condition} GROUP BY e.endpoint_id`;
}
