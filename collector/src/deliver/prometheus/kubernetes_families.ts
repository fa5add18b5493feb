/** What the collector tells of the Kubernetes API server: what it knows from there, how fresh, and at what price. */
import type { ResourceStatus } from '../../control/kubernetes/watch.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { FamilyInfo } from './edge_family.ts';
import { samplesOf } from './self_families.ts';

interface ResourceFamily {
  readonly info: FamilyInfo;
  readonly value: (status: ResourceStatus) => number;
}

const family = (
  type: FamilyInfo['type'],
  name: string,
  unit: string,
  help: string,
  value: ResourceFamily['value'],
): ResourceFamily => ({
  info: { name: `flowspan_kubernetes_${name}`, type, unit, help: `${help} Unit: ${unit}.`, labels: ['resource'] },
  value,
});

const ALL: readonly ResourceFamily[] = [
  family('gauge', 'objects', 'objects', 'Objects of the API server that are known.', ({ objects }) => objects),
  family('gauge', 'synced', 'boolean', 'Whether a list was complete once: 1, or 0.', ({ synced }) => (synced ? 1 : 0)),
  family(
    'gauge',
    'last_event_timestamp_seconds',
    'seconds',
    'When the API server was heard last, since the epoch; 0 if it was not yet.',
    ({ lastEventMs }) => lastEventMs / 1000,
  ),
  family('counter', 'relists_total', 'lists', 'Full lists after the first one.', ({ relists }) => relists),
  family('counter', 'requests_total', 'requests', 'Requests to the API server.', ({ requests }) => requests),
  family('counter', 'received_bytes_total', 'bytes', 'Bytes of its answers.', ({ bytes }) => bytes),
];

const ADDRESS_ROWS: FamilyInfo = {
  name: 'flowspan_kubernetes_address_rows_total',
  type: 'counter',
  unit: 'rows',
  help: 'Rows that say which address a pod of this node had, and when. Unit: rows.',
  labels: [],
};

/** Published names; without Kubernetes they have no series. */
export const KUBERNETES_INFOS: readonly FamilyInfo[] = [...ALL.map(({ info }) => info), ADDRESS_ROWS];

/**
 * @param statuses one per resource; none where Kubernetes is not asked
 * @param addressRows rows of `endpoint_addresses` so far; undefined where Kubernetes is not asked
 */
export function* kubernetesFamilies(statuses: readonly ResourceStatus[], addressRows?: number): Generator<Family> {
  for (const { info, value } of ALL) {
    yield {
      ...info,
      samples: samplesOf(
        info,
        statuses.map((status) => [[status.resource], value(status)] as const),
      ),
    };
  }
  yield { ...ADDRESS_ROWS, samples: samplesOf(ADDRESS_ROWS, addressRows === undefined ? [] : [[[], addressRows]]) };
}
