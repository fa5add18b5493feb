/** Columns that several tables have, and the shapes that columns filled by the collector take. */
import type { Column } from './columns.ts';

/** A column of free text that the collector fills. */
export const text = (name: string, doc: string, codec = 'ZSTD(1)'): Column => ({
  name,
  type: 'String',
  codec,
  doc,
  source: 'collector',
  zeroIsUnknown: true,
});
/** A column of few words that the collector fills. */
export const word = (name: string, doc: string): Column => ({
  name,
  type: 'LowCardinality(String)',
  doc,
  source: 'collector',
  zeroIsUnknown: true,
});

/** Enum type of words with their numbers. */
export function words(numbers: Readonly<Record<string, number>>): string {
  const values = Object.entries(numbers).map(([key, value]) => `'${key}' = ${value}`);
  return `Enum8(${values.join(', ')})`;
}

/** Columns that begin every row: when, and who observed it. */
export const SCOPE: readonly Column[] = [
  {
    name: 'time',
    type: "DateTime64(9, 'UTC')",
    codec: 'Delta, T64, ZSTD(1)',
    doc: 'When the described thing ended; its start is time minus duration_ns.',
    source: 'collector',
  },
  {
    name: 'cluster',
    type: 'LowCardinality(String)',
    doc: 'Name of the cluster or site, from the configuration.',
    source: 'collector',
  },
  { name: 'node', type: 'LowCardinality(String)', doc: 'Name of the node that observed it.', source: 'collector' },
  { name: 'boot_id', type: 'UUID', doc: "The node's boot (/proc/sys/kernel/random/boot_id).", source: 'collector' },
];

/**
 * How an end of a row was told. `cgroup`: this very record observed it. `socket`: its socket on this machine was observed
 * by another record, or it is who was found to listen there. `address`: who had its address then, as far as the collector
 * knew. The first two are final; `address` and `none` are decided again whenever a row is read (resolved.ts).
 */
export const IDENTITY_BASES = { none: 0, address: 1, socket: 2, cgroup: 3 } as const;

const basis = (end: 'source' | 'destination', who: string): Column => ({
  name: `${end}_basis`,
  type: words(IDENTITY_BASES),
  doc: `How ${end}_endpoint_id was told: cgroup (the ${who} was observed by this record), socket (by its socket on this machine), address (by who had the address then), none.`,
  source: 'collector',
});

/** Who the two ends are. The source is the initiator (client). */
export const ENDS: readonly Column[] = [
  {
    name: 'source_endpoint_id',
    type: 'UInt64',
    doc: 'Endpoint of the initiator; see table endpoints.',
    source: 'collector',
    zeroIsUnknown: true,
  },
  {
    name: 'destination_endpoint_id',
    type: 'UInt64',
    doc: 'Endpoint of the responder; see table endpoints.',
    source: 'collector',
    zeroIsUnknown: true,
  },
  {
    name: 'peer_observed',
    type: 'Bool',
    doc: "Whether the connection's other end is observed as well: its socket is here, or its pod on another node of the cluster.",
    source: 'collector',
  },
  basis('source', 'initiator'),
  basis('destination', 'responder'),
  word(
    'container_id',
    "Container that the observed end's process lives in, 64 hex digits; empty if none or not known.",
  ),
  word('service_namespace', 'Namespace of the Kubernetes service whose address the initiator dialled.'),
  word('service_name', 'Kubernetes service whose address the initiator dialled; empty if none or not known.'),
  {
    name: 'service_port',
    type: 'UInt16',
    doc: 'Port of that service that was dialled, as its spec has it, whatever node port led to it; zero if none or not known.',
    source: 'collector',
    zeroIsUnknown: true,
  },
  {
    name: 'backend_address',
    type: 'IPv6',
    doc: 'Address that the dialled one was translated to; zero if it was not, or if that is not known.',
    source: 'collector',
    zeroIsUnknown: true,
  },
  {
    name: 'backend_port',
    type: 'UInt16',
    doc: 'Port that the dialled one was translated to; zero if it was not, or if that is not known.',
    source: 'collector',
    zeroIsUnknown: true,
  },
  {
    name: 'client_address',
    type: 'IPv6',
    doc: "Address of the client's own before it was translated, as far as known; zero if it was not, or if that is not known.",
    source: 'collector',
    zeroIsUnknown: true,
  },
];

/** Which rule decided about the connection. */
export const DECISION: readonly Column[] = [
  word('policy_kind', 'Kind of the policy whose rule decided, such as NetworkPolicy; empty if none did.'),
  word('policy_namespace', 'Namespace of that policy; empty if it is of the whole cluster.'),
  word('policy_name', 'Name of that policy; empty if none decided.'),
  {
    name: 'rule_index',
    type: 'Int32',
    doc: 'Place of that rule among those of its policy, from 0; -1 if no rule decided, as where a policy denies all it does not allow.',
    source: 'collector',
  },
];

/** What rows are counted by. */
export const SAMPLE_WEIGHT: Column = {
  name: 'sample_weight',
  type: 'UInt32',
  doc: 'How many like it this row stands for; every count, rate and quantile uses it.',
  source: 'collector',
};
