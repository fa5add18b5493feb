/** /v1/endpoints: the endpoints that were valid in a time. */
import { ENDPOINTS } from '../../../store/tables.ts';
import { labelParameter, podParameter, propertyParameter } from '../filter/end_parameters.ts';
import type { Filter, FilterParameter } from '../filter/filter.ts';
import { aliasParameter, allParameters } from '../filter/parameters.ts';
import { filtersSql } from '../filter/sql.ts';
import { ADDRESS_READER } from '../filter/values.ts';
import { type Scope, scoped } from '../scope.ts';
import { shownColumns } from './list.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** Tests of the endpoint with this id are tests of the row. */
const OWN_ID = ENDPOINTS.columns.find((column) => column.name === 'endpoint_id')!;
const addresses = ENDPOINTS.columns.find((column) => column.name === 'addresses')!;

/** An address the endpoint is reached at. */
const ADDRESS: FilterParameter = {
  name: 'address',
  doc: addresses.doc,
  columns: [addresses],
  splits: true,
  allowed: ADDRESS_READER.allowed,
  parse: (text) => {
    const test = ADDRESS_READER.read(text);
    return test === undefined ? undefined : [{ column: addresses, test }];
  },
};

/** Filters of /v1/endpoints. */
export const ENDPOINT_FILTERS: ReadonlyMap<string, FilterParameter> = allParameters(ENDPOINTS, [
  ADDRESS,
  podParameter('pod', 'Pods.', [OWN_ID]),
  propertyParameter('container', 'Name of the container (where there is just one).', [OWN_ID], 'container'),
  propertyParameter('services', 'One of the services that lead to it.', [OWN_ID], 'services'),
  labelParameter('label', 'Its labels.', [OWN_ID]),
  aliasParameter(ENDPOINTS, 'id', ['endpoint_id']),
]);

/** What is asked for. */
export interface EndpointsAsked {
  readonly scope: Scope;
  readonly filters: readonly Filter[];
  /** Nanoseconds since the epoch. */
  readonly since: bigint;
  readonly until: bigint;
}

/**
 * One page of endpoints, by id and time.
 * @param after endpoint_id and valid_from (nanoseconds) of the last one of the page before
 */
export function endpointsSql(asked: EndpointsAsked, after: readonly string[] | undefined, limit: number): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(asked.scope, ENDPOINTS.name, 't', parameters);
  const behind =
    after === undefined
      ? '1'
      : `(t.endpoint_id, t.valid_from) > (${parameters.bind(after[0], 'UInt64')}, ${parameters.instant(BigInt(after[1] ?? 0))})`;
  const sql = [
    `SELECT ${shownColumns(ENDPOINTS.columns).join(', ')}, toString(toUnixTimestamp64Nano(t.valid_from)) AS _from_ns`,
    `FROM ${from} FINAL WHERE ${condition} AND ${filtersSql(asked.filters, asked, parameters)} AND ${behind}`,
    `AND t.valid_from < ${parameters.instant(asked.until)} AND t.valid_to > ${parameters.instant(asked.since)}`,
    `ORDER BY t.endpoint_id, t.valid_from LIMIT ${parameters.bind(limit, 'UInt64')}`,
  ].join('\n');
  return { sql, parameters };
}
