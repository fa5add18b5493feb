/** Who endpoints are and which addresses they had, with the times in which it was so. */
import type { Table } from './columns.ts';
import { text, word, words } from './common_columns.ts';

/** SQL condition on a row of these tables: its interval has an end. That of an open one stands in the year 2262. */
const ENDED = "valid_to < toDateTime64('2200-01-01 00:00:00', 9, 'UTC')";

export const ENDPOINTS: Table = {
  name: 'endpoints',
  doc: 'Who an endpoint id is, while it was so. A later row for the same id and valid_from replaces the earlier.',
  columns: [
    {
      name: 'endpoint_id',
      type: 'UInt64',
      doc: 'Hash of kind and identity; the same after every restart.',
      source: 'collector',
    },
    { name: 'cluster', type: 'LowCardinality(String)', doc: 'Name of the cluster or site.', source: 'collector' },
    {
      name: 'node',
      type: 'LowCardinality(String)',
      doc: 'Node it lives on, by the name that Kubernetes or else its collector has for it; empty if not known.',
      source: 'collector',
      zeroIsUnknown: true,
    },
    word('kind', 'pod, unit, container, session, process, node or outside.'),
    word('namespace', 'Kubernetes namespace; empty without Kubernetes.'),
    word('workload', 'Workload: deployment and the like, systemd unit, container or executable.'),
    word('name', 'Its own name: pod, unit, container or executable.'),
    text('pod_uid', 'UID of the pod; of a static pod the hash of its configuration.'),
    word(
      'workload_kind',
      'Deployment, StatefulSet, DaemonSet, CronJob, Job, ReplicaSet, StaticPod, Pod or another owner.',
    ),
    word('service_account', 'Service account that the pod runs as.'),
    word('zone', 'Zone of the node it lives on.'),
    {
      name: 'services',
      type: 'Array(LowCardinality(String))',
      doc: 'Services of its namespace that lead to it.',
      source: 'collector',
    },
    word('container_id', 'Container id where there is just one.'),
    {
      name: 'containers',
      type: 'Map(String, LowCardinality(String))',
      doc: "Names of the pod's containers, by container id.",
      source: 'collector',
    },
    {
      name: 'images',
      type: 'Map(LowCardinality(String), String)',
      doc: "Images of the pod's containers, by the container's name.",
      source: 'collector',
    },
    {
      name: 'cgroup_id',
      type: 'UInt64',
      doc: 'cgroup v2 id where there is one.',
      source: 'collector',
      zeroIsUnknown: true,
    },
    text('cgroup_path', 'cgroup path below the v2 mount where there is one.'),
    {
      name: 'addresses',
      type: 'Array(IPv6)',
      doc: 'Addresses it is reached at, IPv4 as v4-mapped.',
      source: 'collector',
    },
    { name: 'labels', type: 'Map(LowCardinality(String), String)', doc: 'Labels.', source: 'collector' },
    {
      name: 'resource_attributes',
      type: 'Map(LowCardinality(String), String)',
      doc: 'What annotations resource.opentelemetry.io/… of the pod say, by attribute.',
      source: 'collector',
    },
    { name: 'valid_from', type: "DateTime64(9, 'UTC')", doc: 'From when on this holds.', source: 'collector' },
    {
      name: 'valid_to',
      type: "DateTime64(9, 'UTC')",
      doc: 'Until when it held; 2262-01-01 while it does.',
      source: 'collector',
    },
    {
      name: 'updated',
      type: "DateTime64(9, 'UTC')",
      doc: 'When this row was written; the latest wins.',
      source: 'collector',
    },
  ],
  engine: 'ReplacingMergeTree(updated)',
  partitionBy: 'tuple()',
  orderBy: '(endpoint_id, valid_from)',
  ttlDays: 90,
  ttlColumn: 'updated',
  ttlWhere: ENDED,
};

/** Where the bounds of an interval of `endpoint_addresses` come from: the API server, or the node that the pod ran on. */
export const ADDRESS_BASES = { api: 1, node: 2 } as const;

const moment = (name: string, doc: string): Table['columns'][number] => ({
  name,
  type: "DateTime64(9, 'UTC')",
  doc,
  source: 'collector',
});

export const ENDPOINT_ADDRESSES: Table = {
  name: 'endpoint_addresses',
  doc: 'Which endpoint had an address, and when. Rows whose ends were told by address are resolved with it when they are read.',
  columns: [
    { name: 'cluster', type: 'LowCardinality(String)', doc: 'Name of the cluster or site.', source: 'collector' },
    { name: 'address', type: 'IPv6', doc: 'The address, IPv4 as v4-mapped.', source: 'collector' },
    { name: 'endpoint_id', type: 'UInt64', doc: 'Who had it; see table endpoints.', source: 'collector' },
    { name: 'node', type: 'LowCardinality(String)', doc: 'Node whose collector wrote this.', source: 'collector' },
    {
      name: 'basis',
      type: words(ADDRESS_BASES),
      doc: 'Where the bounds come from: api (times of the API server, whole seconds) or node (what its node saw).',
      source: 'collector',
    },
    moment('valid_from', 'Earliest that it can have had the address.'),
    moment('sure_from', 'From when on it surely had it.'),
    moment('sure_to', 'Until when it surely had it; 2262-01-01 while it does.'),
    moment('valid_to', 'Latest that it can have had the address; 2262-01-01 while it has.'),
    moment('changed_from', 'Rows from this time on may be told differently because of this row.'),
    moment('updated', 'When this row was written; the latest wins.'),
  ],
  engine: 'ReplacingMergeTree(updated)',
  partitionBy: 'tuple()',
  orderBy: '(cluster, address, endpoint_id, valid_from)',
  ttlDays: 7,
  ttlColumn: 'valid_to',
  ttlWhere: ENDED,
};
