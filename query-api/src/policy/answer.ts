/** What /v1/policy/check answers. */
import Type from 'typebox';
import type { DecidedBy } from './judge.ts';
import type { Change, Counts, Replay, What } from './replay.ts';

const COUNT = Type.String({ pattern: '^\\d+$' });
const text = (description: string) => Type.Union([Type.String(), Type.Null()], { description });
const WORD = { enum: ['allowed', 'denied', 'unknown'] };

const VERDICT = (description: string) =>
  Type.Object(
    {
      verdict: Type.String(WORD),
      reason: text(
        'Why no policy says it, or why it is not known: labels, service, initiator, not_http1, unjudged, redacted, headers, cut or method.',
      ),
      direction: text('ingress or egress: where it was decided.'),
      policy_kind: text('Kind of the policy that decided.'),
      policy_namespace: text("Its namespace; null if it is the cluster's."),
      policy_name: text('Its name.'),
      rule_path: text('Where the rule stands in its manifest; null if no rule allows it.'),
    },
    { description },
  );

/** JSON Schema of one row. */
export const CHANGE_SCHEMA = Type.Object({
  what: Type.String({ enum: ['connections', 'requests'], description: 'What is counted.' }),
  change: Type.String({
    enum: ['to_denied', 'to_allowed', 'unknown'],
    description: 'What the drafts would do; unknown: the verdict before or after cannot be told.',
  }),
  count: Type.String({ pattern: '^\\d+$', description: 'How many, with the weight of rows that stand for several.' }),
  source_namespace: text('Namespace of the initiator; null outside of Kubernetes.'),
  source_workload: text('Its workload; null if nobody told who it was.'),
  destination_namespace: text('Namespace of the responder.'),
  destination_workload: text('Its workload.'),
  destination_port: Type.Integer({ description: 'Port that policies judge: behind the service that was dialled.' }),
  protocol: Type.Integer({ description: 'As in the IP header.' }),
  before: VERDICT('By the policies in force.'),
  after: VERDICT('With the drafts.'),
  examples: Type.Array(
    Type.Object({
      time: Type.String({ format: 'date-time', description: 'Of the last one that was alike.' }),
      source: Type.String(),
      destination: Type.String(),
      request: text('Method, host and target, as they are stored.'),
      count: COUNT,
    }),
  ),
});

const COUNTS = Type.Record(Type.String(), COUNT, {
  description: 'By verdict before and after, as allowed_to_denied.',
});
const CONDITION = Type.Object({
  ...{ kind: Type.String(), namespace: Type.String(), name: Type.String() },
  ...{ accepted: Type.Boolean(), reason: Type.String(), message: Type.String() },
});

/** JSON Schema of what stands beside the rows. */
export const CHECK_SCHEMAS = {
  compared_with: Type.String({
    enum: ['current', 'nothing'],
    description: 'current: the policies that were sent as in force. nothing: as if there were none.',
  }),
  connections: COUNTS,
  requests: COUNTS,
  changes: Type.Integer({ description: 'Changes that were found; there are fewer rows if this is more than limit.' }),
  drafts: Type.Array(CONDITION, { description: 'How each draft stands. One that is refused changes nothing.' }),
  current: Type.Array(CONDITION, { description: 'Policies in force that are refused, or taken with a doubt.' }),
  evidence: Type.Object(
    {
      namespaces_without_rows: Type.Array(Type.String(), {
        description: 'Namespaces of pods that drafts are about of which nothing was seen.',
      }),
      taken_as_outside: Type.String({
        pattern: '^\\d+$',
        description: 'Connections with a private address that nobody told whose it was: judged as outside the cluster.',
      }),
      requests_expired_before: text('Requests before this have expired; null if none of the time asked for has.'),
    },
    { description: 'How far the rows can tell, beside completeness.' },
  ),
};

const orNull = (value: string | undefined): string | null => (value === undefined || value === '' ? null : value);

function verdictRow({ word, reason, by }: { word: string; reason: string | undefined; by: DecidedBy | undefined }) {
  return {
    ...{ verdict: word, reason: reason ?? null, direction: by?.direction ?? null },
    ...{ policy_kind: orNull(by?.policy?.kind), policy_namespace: orNull(by?.policy?.namespace) },
    ...{ policy_name: orNull(by?.policy?.name), rule_path: orNull(by?.rule?.path) },
  };
}

const ORDER = ['to_denied', 'to_allowed', 'unknown'] as const;

function kindOf({ before, after }: Change): (typeof ORDER)[number] {
  if (before.word === 'unknown' || after.word === 'unknown') return 'unknown';
  return after.word === 'denied' ? 'to_denied' : 'to_allowed';
}

function row(change: Change) {
  const { what, source, destination, port, protocol, before, after, count, examples } = change;
  return {
    ...{ what, change: kindOf(change), count: String(count) },
    ...{ source_namespace: orNull(source.namespace), source_workload: orNull(source.workload) },
    ...{ destination_namespace: orNull(destination.namespace), destination_workload: orNull(destination.workload) },
    ...{ destination_port: port, protocol, before: verdictRow(before), after: verdictRow(after) },
    examples: examples.map((one) => ({ ...one, request: one.request ?? null, count: String(one.count) })),
  };
}

export type ChangeRow = ReturnType<typeof row>;

/** The changes, those that deny and the most frequent first. */
export function changeRows({ changes }: Replay, limit: number): readonly ChangeRow[] {
  const order = (one: Change) => ORDER.indexOf(kindOf(one));
  const sorted = [...changes.values()].sort((a, b) => order(a) - order(b) || Number(b.count - a.count));
  return sorted.slice(0, limit).map(row);
}

/** Those that occur, as texts. */
export function countsText(counts: Readonly<Record<What, Counts>>, what: What): Record<string, string> {
  return Object.fromEntries(Object.entries(counts[what]).map(([name, count]) => [name, String(count)]));
}
