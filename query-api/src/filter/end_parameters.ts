/** Filters by who the ends are: names, places and labels of their endpoints at the time of the row. */
import { type Column, column, type Table } from '../../../store/tables.ts';
import { QueryError } from '../errors.ts';
import type { Alternative, EndpointProperty, EndpointTest, FilterParameter } from './filter.ts';
import { parseSelector, SELECTOR_ALLOWED, SelectorError } from './selector.ts';
import { numberReader } from './values.ts';

const MOST_CHARACTERS = 512;
/** Longest selector: it travels to the store in a URL. */
const MOST_OF_SELECTOR = 4096;

const tested = (columns: readonly Column[], test: EndpointTest): Alternative[] =>
  columns.map((one) => ({ column: one, test }));

/** Parts of `namespace/name`; without a slash all is the name. */
function namespaced(text: string): { namespace?: string; name: string } {
  const slash = text.indexOf('/');
  const namespace = text.slice(0, Math.max(slash, 0));
  return { name: text.slice(slash + 1), ...(namespace === '' ? {} : { namespace }) };
}

function parseEndpoint(columns: readonly Column[], text: string): Alternative[] | undefined {
  if (/^\d{1,20}$/.test(text)) {
    const id = numberReader(columns[0]!).read(text);
    return id === undefined ? undefined : columns.map((one) => ({ column: one, test: id }));
  }
  const { name: pattern, ...where } = namespaced(text);
  if (pattern === '' || text.length > MOST_CHARACTERS) return undefined;
  return tested(columns, { kind: 'endpoint', property: 'name', pattern, ...where });
}

function endpointParameter(name: string, doc: string, columns: readonly Column[]): FilterParameter {
  const allowed = 'an endpoint id, a workload or name, or namespace/name; with * and ? as in text';
  return { name, doc, columns, splits: true, allowed, parse: (text) => parseEndpoint(columns, text) };
}

/** Pods as hubble names them: by the beginning of their name; `namespace/` alone means all of that namespace. */
export function podParameter(name: string, doc: string, columns: readonly Column[]): FilterParameter {
  return {
    name,
    doc,
    columns,
    splits: true,
    allowed: '[namespace/]name, of which the beginning is enough; with * and ? as in text',
    parse: (text) => {
      const { name: prefix, ...where } = namespaced(text);
      if (text === '' || text === '/' || text.length > MOST_CHARACTERS) return undefined;
      return tested(columns, { kind: 'endpoint', property: 'pod', pattern: `${prefix}*`, ...where });
    },
  };
}

/** Endpoints by what is said of them. */
export function propertyParameter(
  name: string,
  doc: string,
  columns: readonly Column[],
  property: EndpointProperty,
): FilterParameter {
  return {
    name,
    doc,
    columns,
    splits: true,
    allowed: `${property === 'services' ? '[namespace/]name' : 'a name'}, exactly or with * and ?`,
    parse: (text) => {
      const { name: pattern, ...where } = property === 'services' ? namespaced(text) : { name: text };
      if (pattern === '' || text.length > MOST_CHARACTERS) return undefined;
      return tested(columns, { kind: 'endpoint', property, pattern, ...where });
    },
  };
}

/** Endpoints by a selector of their labels. `!` begins a selector, so that what is excluded stands in brackets. */
export function labelParameter(name: string, doc: string, columns: readonly Column[]): FilterParameter {
  return {
    name,
    doc,
    columns,
    splits: false,
    allowed: SELECTOR_ALLOWED,
    excludes: '!(selector)',
    excluded: (value) => /^!\s*\((.*)\)$/s.exec(value)?.[1],
    parse: (text) => {
      try {
        if (text.length > MOST_OF_SELECTOR) {
          throw new SelectorError(MOST_OF_SELECTOR + 1, `it is longer than ${MOST_OF_SELECTOR} characters`);
        }
        return tested(columns, { kind: 'endpoint', property: 'labels', selector: parseSelector(text) });
      } catch (error) {
        if (!(error instanceof SelectorError)) throw error;
        throw badSelector(name, text, error);
      }
    },
  };
}

function badSelector(parameter: string, value: string, { at, message }: SelectorError): QueryError {
  const shown = JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);
  return new QueryError(
    400,
    'FLOW_QUERY_BAD_SELECTOR',
    `${parameter}: ${shown} is no label selector: at character ${at}, ${message}`,
    {
      parameter,
      value,
      allowed: SELECTOR_ALLOWED,
      next_step: 'Write it as for kubectl get -l, and encode it for a URL (+ and & have a meaning there).',
    },
  );
}

/** The service that was dialled. */
export function serviceParameter(table: Table): FilterParameter {
  const own = column(table, 'service_name');
  return {
    name: 'service',
    doc: own.doc,
    columns: [own],
    splits: true,
    allowed: '[namespace/]name, exactly or with * and ?',
    parse: (text) => {
      const { name: pattern, ...where } = namespaced(text);
      if (pattern === '' || text.length > MOST_CHARACTERS) return undefined;
      return [{ column: own, test: { kind: 'service', pattern, ...where } }];
    },
  };
}

/** What of an end has a filter; `node` alone is the node that observed it. */
const OF_ENDS = [
  ['namespace', 'Namespace'],
  ['workload', 'Workload'],
  ['workload_kind', 'Kind of the workload (Deployment, StatefulSet, …)'],
  ['container', 'Container (where there is just one)'],
  ['node', 'Node'],
  ['zone', 'Zone'],
  ['services', 'One of the services'],
] as const satisfies readonly (readonly [EndpointProperty, string])[];

/** Filters by who the two ends are. */
export function endParameters(table: Table): FilterParameter[] {
  const source = column(table, 'source_endpoint_id');
  const destination = column(table, 'destination_endpoint_id');
  const sides = [
    ['source_', 'the source (client)', [source]],
    ['destination_', 'the destination (server)', [destination]],
    ['', 'either end', [source, destination]],
  ] as const;
  return sides.flatMap(([prefix, whom, columns]) => [
    endpointParameter(prefix === '' ? 'endpoint' : prefix.slice(0, -1), `Endpoint that is ${whom}.`, columns),
    podParameter(`${prefix}pod`, `Pod that is ${whom}.`, columns),
    ...OF_ENDS.filter(([property]) => `${prefix}${property}` !== 'node').map(([property, what]) =>
      propertyParameter(`${prefix}${property}`, `${what} of ${whom}.`, columns, property),
    ),
    labelParameter(`${prefix}label`, `Labels of ${whom}.`, columns),
  ]);
}
