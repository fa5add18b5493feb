/** Names of endpoints, for answers that people read. */
import Type, { type TSchema } from 'typebox';
import type { Table } from '../../store/tables.ts';

/** The two ends of a connection. */
export const ENDS = ['source', 'destination'] as const;
export type End = (typeof ENDS)[number];

/** Whether rows of the table are of a connection, with an endpoint at each end. */
export function hasEnds(table: Table): boolean {
  return table.columns.some((one) => one.name === 'source_endpoint_id');
}

/** What of an endpoint stands beside its id in answers; all but `container` are columns of table endpoints. */
export const END_PROPERTIES = [
  ...(['kind', 'namespace', 'workload', 'workload_kind', 'name'] as const),
  ...(['container', 'node', 'zone'] as const),
] as const;
export type EndProperty = (typeof END_PROPERTIES)[number];

/** An endpoint as rows show it; null where nothing is known. */
export type EndpointNames = Readonly<Record<EndProperty, string | null>>;

const UNKNOWN = Object.fromEntries(END_PROPERTIES.map((property) => [property, null])) as EndpointNames;

/** Writes the names of both ends into a shaped row. */
export function addNames(row: Record<string, unknown>, names: Pick<ReadonlyMap<string, EndpointNames>, 'get'>): void {
  for (const end of ENDS) {
    const known = names.get(String(row[`${end}_endpoint_id`])) ?? UNKNOWN;
    for (const property of END_PROPERTIES) row[`${end}_${property}`] = known[property];
  }
}

/** Schemas of what addNames writes. */
export function nameSchemas(): Record<string, TSchema> {
  const entries = ENDS.flatMap((end) =>
    END_PROPERTIES.map((property): [string, TSchema] => [
      `${end}_${property}`,
      Type.Union([Type.String(), Type.Null()], { description: `${property} of the ${end}'s endpoint.` }),
    ]),
  );
  return Object.fromEntries(entries);
}
