/** What policies said: verdicts that are alike, counted together. */
import { ENUMS } from '../bpf/dataplane/policy.gen.ts';
import { ENUMS as WIRE } from '../bpf/wire/events.gen.ts';
import type { Column, Table } from './columns.ts';
import { DECISION, SCOPE, text, word, words } from './common_columns.ts';

const column = (name: string, type: string, doc: string, rest: Partial<Column> = {}): Column => ({
  ...{ name, type, doc, source: 'collector' },
  ...rest,
});
const UNKNOWN = { zeroIsUnknown: true } as const;

const identity = (name: string, whose: string) =>
  column(name, 'UInt64', `Security identity of ${whose}: a hash of the labels that policies speak of.`, UNKNOWN);
const labels = (name: string, whose: string) =>
  column(name, 'Map(LowCardinality(String), String)', `Labels of ${whose}.`);

/** The pod at which it was judged. */
const POD: readonly Column[] = [
  word('namespace', 'Kubernetes namespace of the pod at which it was judged.'),
  word('workload', 'Its workload; empty if pods of several are alike to policies.'),
  labels('labels', 'it'),
  identity('identity', 'it'),
];

/** Who the pod spoke with. */
const PEER: readonly Column[] = [
  word('peer_entity', 'What the other end is: pod, host (its own node), remote-node, world; empty if not known.'),
  word('peer_namespace', 'Kubernetes namespace of the other end; empty if it is no pod.'),
  word('peer_workload', 'Its workload; empty if it is no pod, or pods of several are alike to policies.'),
  labels('peer_labels', 'the other end, if it is a pod'),
  identity('peer_identity', 'the other end'),
];

const RULE: readonly Column[] = [
  word('policy_reason', 'Why: rule, isolated (no rule allows it), own_node, no_policy, unread; empty if not known.'),
  ...DECISION,
  word('rule_path', 'Where the rule stands in its manifest, as spec.ingress[0].'),
];

const HTTP: readonly Column[] = [
  word('http_judged', 'Of requests: allowed, denied, unjudged; empty for connections and datagrams.'),
  word('http_reason', 'Why requests were not judged, as line_end or framing; empty if they were.'),
  word('http_method', 'Method of the sample.'),
  text('http_host', "Host of the sample's head.", 'ZSTD(3)'),
  text('http_path', 'Path of the sample; segments that look like secrets read REDACTED.'),
];

/** The first of them. */
const SAMPLE: readonly Column[] = [
  column('source_address', 'IPv6', 'Who began the sample, IPv4 as v4-mapped.'),
  column('destination_address', 'IPv6', 'To whom, IPv4 as v4-mapped.'),
  column('source_port', 'UInt16', "The sample's source port."),
  column('first_time', "DateTime64(9, 'UTC')", 'When the sample was judged: the first of all that are alike.', {
    codec: 'ZSTD(1)',
  }),
];

export const VERDICTS: Table = {
  name: 'verdicts',
  doc: 'One row per report of verdicts that are alike: new connections, UDP flows and requests, as policies judged them at a pod of this node.',
  columns: [
    ...SCOPE,
    column('duration_ns', 'UInt64', 'Time in which they were judged.', { unit: 'ns', codec: 'T64, ZSTD(1)' }),
    column(
      'verdict_id',
      'UInt64',
      'Hash of what they have in common; with the time, what tells one row from another.',
      { codec: 'ZSTD(1)' },
    ),
    column(
      'policy_verdict',
      words(ENUMS.policy_verdict),
      'no_policy, allowed, denied, or audited: it would have been denied.',
    ),
    column('policy_mode', words(ENUMS.policy_mode), 'How far policies go in the namespace of the pod.'),
    column('count', 'UInt64', 'How many were judged so.', { unit: 'count', codec: 'T64, ZSTD(1)' }),
    column('traffic_direction', words(WIRE.traffic_direction), 'As the pod sees it.'),
    column('protocol', 'UInt8', 'IP protocol number: 6 TCP, 17 UDP.'),
    column('destination_port', 'UInt16', "Responder's port."),
    ...POD,
    ...PEER,
    ...RULE,
    ...HTTP,
    ...SAMPLE,
  ],
  engine: 'MergeTree',
  partitionBy: 'toStartOfHour(time)',
  orderBy:
    '(toStartOfFiveMinutes(time), policy_verdict, namespace, policy_name, destination_port, verdict_id, toUnixTimestamp64Nano(time))',
  ttlDays: 7,
};
