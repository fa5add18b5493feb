/** Columns that several tables have, and the shapes that columns filled by the collector take. */
import type { Column } from './columns.ts';

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
];

/** What rows are counted by. */
export const SAMPLE_WEIGHT: Column = {
  name: 'sample_weight',
  type: 'UInt32',
  doc: 'How many like it this row stands for; every count, rate and quantile uses it.',
  source: 'collector',
};

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
