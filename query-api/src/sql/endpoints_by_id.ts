/** Names of endpoints by id: what stands beside the ids of other questions' rows. */
import { CONTAINER_SQL, SERVICES_SQL } from '../../../store/endpoint_properties.ts';
import { ENDPOINTS } from '../../../store/tables.ts';
import { END_PROPERTIES, type EndProperty } from '../endpoint_names.ts';
import { type Asked, type Scope, scoped } from '../scope.ts';
import { endpointsSince } from './intervals.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** What an end can be grouped by beside what stands in answers: it may change while the endpoint is there. */
export type GroupProperty = EndProperty | 'services';

/** Property of a row `e` of endpoints. */
export function propertySql(property: GroupProperty): string {
  if (property === 'container') return CONTAINER_SQL('e');
  return property === 'services' ? SERVICES_SQL('e') : `e.${property}`;
}

const latest = (property: GroupProperty | 'labels') =>
  `argMax(${property === 'labels' ? 'e.labels' : propertySql(property)}, e.updated) AS ${property}`;
const NAMES = END_PROPERTIES.map(latest).join(', ');

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

/**
 * The latest names of all endpoints that are valid now or were within a day.
 * @param whole whether their services and labels are wanted as well
 */
export function allEndpointNamesSql(scope: Scope, whole = false): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, ENDPOINTS.name, 'e', parameters);
  const sql =
    `SELECT e.endpoint_id AS endpoint_id, ${[NAMES, ...(whole ? [latest('services'), latest('labels')] : [])].join(', ')}` +
    ` FROM ${from} WHERE ${condition}` +
    ` AND e.valid_to > now64(9) - toIntervalDay(1) GROUP BY e.endpoint_id ORDER BY max(e.valid_to) DESC LIMIT ${MAX_KEPT}`;
  return { sql, parameters };
}

/** The latest names of all endpoints that rows of the time can point at, as a subquery: endpoint_id and the names. */
export function latestNamesSql(asked: Asked, parameters: Parameters): string {
  return `SELECT e.endpoint_id AS endpoint_id, ${NAMES} FROM ${endpointsSince(asked, parameters)} GROUP BY e.endpoint_id`;
}
