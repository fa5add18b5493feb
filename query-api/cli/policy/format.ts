/** What `flowspan policy check` prints. */
import type { Completeness } from '../../src/completeness.ts';
import type { ChangeRow } from '../../src/policy/answer.ts';
import { incompleteness, printable } from '../observe_format.ts';

interface Condition {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly accepted: boolean;
  readonly reason: string;
  readonly message: string;
}

/** Answer of /v1/policy/check. */
export interface CheckAnswer {
  readonly data: readonly ChangeRow[];
  readonly completeness: Completeness;
  readonly compared_with: 'current' | 'nothing';
  readonly connections: Readonly<Record<string, string>>;
  readonly requests: Readonly<Record<string, string>>;
  readonly changes: number;
  readonly drafts: readonly Condition[];
  readonly current: readonly Condition[];
  readonly evidence: {
    readonly namespaces_without_rows: readonly string[];
    readonly taken_as_outside: string;
    readonly requests_expired_before: string | null;
  };
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };
const TITLES = {
  to_denied: 'WOULD BE DENIED, and are allowed now',
  to_allowed: 'WOULD BE ALLOWED, and are denied now',
  unknown: 'NOT KNOWN, before or after',
} as const;
const REASONS: Readonly<Record<string, string>> = {
  labels: 'labels or names of ports that policies ask for are not known; give the Namespaces, Nodes and Pods',
  service: 'it is not known which port the service led to',
  initiator: 'it is not known which end began',
  not_http1: 'it carries no HTTP/1, whose requests could be judged',
  unjudged: 'servers might read it differently',
  redacted: 'what decides was not stored (REDACTED)',
  headers: 'it hangs on headers, which are not stored',
  cut: 'it was too long to be stored whole',
  method: 'its method was not stored',
};

const whole = (namespace: string | null, name: string | null) =>
  name === null ? 'outside' : namespace === null ? name : `${namespace}/${name}`;

function why({
  verdict,
  reason,
  direction,
  policy_kind,
  policy_namespace,
  policy_name,
  rule_path,
}: ChangeRow['after']): string {
  const told = reason === null ? '' : (REASONS[reason] ?? reason);
  if (policy_name === null) return told === '' ? verdict : told;
  const policy = `${direction} ${policy_kind} ${whole(policy_namespace, policy_name)}`;
  const rule = rule_path === null ? (verdict === 'denied' ? 'no rule allows it' : '') : rule_path;
  return [policy, rule, told].filter((part) => part !== '').join(', ');
}

function changeLines(row: ChangeRow): string[] {
  const { what, count, source_namespace, source_workload, destination_namespace, destination_workload } = row;
  const port = `${row.destination_port}/${PROTOCOLS[row.protocol] ?? row.protocol}`;
  const ends = `${whole(source_namespace, source_workload)} -> ${whole(destination_namespace, destination_workload)}:${port}`;
  const decisive =
    row.change === 'to_allowed' ? [row.before, row.after] : [row.after.verdict === 'allowed' ? row.before : row.after];
  return [
    `  ${count.padStart(9)} ${what.padEnd(12)}${ends}`,
    ...decisive.map(
      (one, index) => `${' '.repeat(12)}${decisive.length > 1 ? ['now: ', 'then: '][index] : ''}${why(one)}`,
    ),
    ...row.examples.map(
      ({ time, source, destination, request, count: times }) =>
        `${' '.repeat(12)}${time}  ${source} -> ${destination}${request === null ? '' : `  ${request}`}  x${times}`,
    ),
  ];
}

function totals(what: string, counts: Readonly<Record<string, string>>): string {
  const sum = (wanted: (name: string) => boolean) =>
    Object.entries(counts).reduce((total, [name, count]) => total + (wanted(name) ? BigInt(count) : 0n), 0n);
  const unknown = sum((name) => name.includes('unknown'));
  const of = (name: string) => counts[name] ?? '0';
  return (
    `${what}: ${of('allowed_to_denied')} would be denied, ${of('denied_to_allowed')} would be allowed, ` +
    `${of('allowed_to_allowed')} stay allowed, ${of('denied_to_denied')} stay denied, ${unknown} not known`
  );
}

/** How an object stands. */
export const conditionLine = ({ kind, namespace, name, accepted, reason, message }: Condition) =>
  `${kind} ${whole(namespace || null, name)}: ${accepted ? '' : 'REFUSED '}${reason}. ${message}`;

/** Plain text, ending in a newline. @param from where what is in force was taken from */
export function checkText(answer: CheckAnswer, from: string): string {
  const { data, changes, connections, requests, drafts, current, evidence, completeness } = answer;
  const parts = (Object.keys(TITLES) as (keyof typeof TITLES)[]).flatMap((change) => {
    const rows = data.filter((row) => row.change === change);
    return rows.length === 0 ? [] : [TITLES[change], ...rows.flatMap(changeLines), ''];
  });
  const missing = incompleteness(completeness);
  const lines = [
    ...drafts.filter(({ message }) => message !== '').map((one) => `draft ${conditionLine(one)}`),
    ...current.map((one) => `in force ${conditionLine(one)}`),
    `compared with ${from}`,
    '',
    ...parts,
    ...(changes > data.length
      ? [`${changes - data.length} more changes are not shown: give a larger --limit`, '']
      : []),
    totals('connections', connections),
    ...(Object.values(requests).some((count) => count !== '0') ? [totals('requests', requests)] : []),
    ...(evidence.namespaces_without_rows.length > 0
      ? [`nothing was seen of ${evidence.namespaces_without_rows.join(', ')}: of them this says nothing`]
      : []),
    ...(evidence.taken_as_outside === '0'
      ? []
      : [
          `${evidence.taken_as_outside} connections with private addresses that nobody told whose they were count as outside`,
        ]),
    ...(evidence.requests_expired_before === null
      ? []
      : [`requests before ${evidence.requests_expired_before} have expired`]),
    missing === undefined ? 'evidence: complete' : `evidence: ${missing}`,
  ];
  return `${lines.map(printable).join('\n')}\n`;
}
