/** Tests of an endpoint as SQL: of a row of table endpoints, and of a row that points at one, as it was at that time. */
import { CONTAINER_SQL } from '../../../store/endpoint_properties.ts';
import type { Asked } from '../scope.ts';
import { intervalsSince } from '../sql/intervals.ts';
import type { Parameters } from '../sql/parameters.ts';
import type { EndpointTest } from './filter.ts';
import type { Requirement } from './selector.ts';
import { textMatches } from './text_sql.ts';

function requirementSql(requirement: Requirement, labels: string, parameters: Parameters): string {
  const key = parameters.bind(requirement.key, 'String');
  const [there, value] = [`mapContains(${labels}, ${key})`, `${labels}[${key}]`];
  switch (requirement.operator) {
    case 'in':
      return `(${there} AND has(${parameters.bind(requirement.values, 'Array(String)')}, toString(${value})))`;
    case 'notin':
      return `NOT (${there} AND has(${parameters.bind(requirement.values, 'Array(String)')}, toString(${value})))`;
    case 'exists':
      return there;
    case 'absent':
      return `NOT ${there}`;
    default: {
      const sign = requirement.operator === 'gt' ? '>' : '<';
      const number = `toInt64OrNull(if(match(${value}, '^[0-9]{1,19}$'), toString(${value}), ''))`;
      return `ifNull(${number} ${sign} ${parameters.bind(requirement.bound, 'Int64')}, false)`;
    }
  }
}

/** Condition on a row `alias` of endpoints. */
export function endpointHoldsSql(test: EndpointTest, alias: string, parameters: Parameters): string {
  if (test.property === 'labels') {
    const parts = test.selector.map((one) => requirementSql(one, `${alias}.labels`, parameters));
    return parts.length === 0 ? '1' : `(${parts.join(' AND ')})`;
  }
  const matches = (value: string) => textMatches(value, test.pattern, false, parameters);
  const own = (property: string) => matches(`${alias}.${property}`);
  const conditions = {
    name: () => `(${own('workload')} OR ${own('name')})`,
    pod: () => `${alias}.kind = 'pod' AND ${own('name')}`,
    container: () => matches(CONTAINER_SQL(alias)),
    services: () => `arrayExists(one -> ${matches('one')}, ${alias}.services)`,
  };
  const { property, namespace } = test;
  const wanted = property in conditions ? conditions[property as keyof typeof conditions]() : own(property);
  const inNamespace =
    namespace === undefined ? '' : ` AND ${textMatches(`${alias}.namespace`, namespace, false, parameters)}`;
  return `(${wanted}${inNamespace})`;
}

/** How each interval of an endpoint answers the test: a subquery with endpoint_id, valid_from and holds. */
function answersSql(test: EndpointTest, asked: Asked, parameters: Parameters): string {
  const holds = `argMax(toUInt8(${endpointHoldsSql(test, 'e', parameters)}), e.updated)`;
  return intervalsSince({ holds }, asked, parameters);
}

/** Condition that the endpoint with this id was such a one at some time. */
export function endpointOnceSql(test: EndpointTest, id: string, asked: Asked, parameters: Parameters): string {
  return `${id} IN (SELECT endpoint_id FROM ${answersSql(test, asked, parameters)} WHERE holds = 1)`;
}

/**
 * Condition that the endpoint with this id was such a one at that time. It is what its interval says that began last by
 * then, the first from the beginning, as in the named views. Most endpoints say the same in all their intervals; those
 * are told by a set of ids, the few others by their intervals.
 */
export function endpointHeldSql(
  test: EndpointTest,
  id: string,
  time: string,
  asked: Asked,
  parameters: Parameters,
): string {
  const known = answersSql(test, asked, parameters);
  const ids = (having: string) => `(SELECT endpoint_id FROM ${known} GROUP BY endpoint_id HAVING ${having})`;
  const mixed = 'min(holds) != max(holds)';
  const intervals = [
    '(SELECT mapFromArrays(groupArray(endpoint_id), groupArray(spans)) FROM',
    '(SELECT endpoint_id, arraySort(groupArray((valid_from, holds))) AS spans',
    `FROM ${known} GROUP BY endpoint_id HAVING ${mixed}))`,
  ].join(' ');
  const held = [
    `arrayFold((before, span) -> if(span.1 <= ${time}, span.2, before), ${intervals}[${id}],`,
    `${intervals}[${id}][1].2)`,
  ].join(' ');
  return `(${id} IN ${ids('min(holds) = 1')} OR (${id} IN ${ids(mixed)} AND ${held}))`;
}
