/** Tests of an endpoint that is known. Means the same as filter/endpoint_sql.ts; a test runs both on the same rows. */
import type { EndpointNames } from '../endpoint_names.ts';
import type { EndpointTest } from './filter.ts';
import { globMatches } from './match.ts';
import { selectorHolds } from './selector.ts';

/** An endpoint; services and labels are there only where somebody asks for them. */
export interface KnownEndpoint extends EndpointNames {
  readonly services?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** Whether an endpoint is such a one. */
export function endpointHolds(test: EndpointTest, endpoint: KnownEndpoint): boolean {
  if (test.property === 'labels') return endpoint.labels !== undefined && selectorHolds(test.selector, endpoint.labels);
  if (test.namespace !== undefined && !globMatches(test.namespace, endpoint.namespace ?? '')) return false;
  const fits = (value: string | null) => value !== null && globMatches(test.pattern, value);
  switch (test.property) {
    case 'name':
      return fits(endpoint.workload) || fits(endpoint.name);
    case 'pod':
      return endpoint.kind === 'pod' && fits(endpoint.name);
    case 'services':
      return (endpoint.services ?? []).some(fits);
    default:
      return fits(endpoint[test.property]);
  }
}
