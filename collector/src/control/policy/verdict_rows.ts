/** What the kernel counted of verdicts that are alike, as a row of `verdicts`. */
import { createHash } from 'node:crypto';
import { ENUMS as HTTP } from '../../../../bpf/dataplane/http_unit.gen.ts';
import { ENUMS, POLICY_RECORD_KEY as K, POLICY_RECORD_COUNT as R } from '../../../../bpf/dataplane/policy.gen.ts';
import { addressText } from '../../correlate/address_text.ts';
import { type Allowed, hostOf, printable, redactedSegments, splitTarget } from '../../correlate/requests/redaction.ts';
import type { Mode } from './model.ts';
import type { NamedDecision, NamedRule, PolicyNames } from './names.ts';
import type { Person } from './people.ts';

type Row = Readonly<Record<string, unknown>>;

export interface VerdictRowParts {
  readonly names: Pick<PolicyNames, 'decision' | 'person'>;
  /** The workload of a pod, by the UID of its object; empty if it is not known. */
  readonly workloadOf: (uid: string) => string;
  readonly modeOf: (namespace: string) => Mode;
  /** What of paths may be kept. */
  readonly allowed: () => Allowed;
}

const wordOf = (words: Readonly<Record<string, number>>, number: number): string =>
  Object.keys(words).find((word) => words[word] === number) ?? '';

const NO_HTTP_RULE = 255;
const NOBODY: Pick<NamedRule, 'kind' | 'namespace' | 'name'> = { kind: '', namespace: '', name: '' };

/** Hash of what verdicts that are counted together have in common; the same after every restart. */
export function verdictId(key: Buffer): bigint {
  return createHash('sha256').update(key).digest().readBigUInt64LE();
}

/** As rows have it: `denied` and such. */
export const verdictOfKey = (key: Buffer): string => wordOf(ENUMS.policy_verdict, key.readUInt8(K.policy_verdict));

/** Makes rows, all but what says when and by whom they were observed. */
export class VerdictRows {
  readonly #parts: VerdictRowParts;

  constructor(parts: VerdictRowParts) {
    this.#parts = parts;
  }

  /** @param key of an entry of `policy_records` @param record its value */
  of(key: Buffer, record: Buffer): Row {
    const { names, modeOf } = this.#parts;
    const decision = names.decision(key.readUInt32LE(K.generation), key.readUInt32LE(K.decision));
    const verdict = verdictOfKey(key);
    const person = this.#person(key, K.identity);
    const peer = this.#person(key, K.peer_identity);
    return {
      verdict_id: verdictId(key),
      policy_verdict: verdict,
      policy_mode: verdict === 'audited' ? 'audit' : verdict === 'denied' ? 'enforce' : modeOf(person?.namespace ?? ''),
      traffic_direction: key.readUInt8(K.is_egress) === 1 ? 'egress' : 'ingress',
      protocol: key.readUInt8(K.protocol),
      destination_port: key.readUInt16LE(K.port),
      ...{ namespace: person?.namespace ?? '', workload: this.#workload(person), labels: person?.labels ?? {} },
      identity: key.readBigUInt64LE(K.identity),
      ...{ peer_entity: peer?.entity ?? '', peer_namespace: peer?.namespace ?? '' },
      ...{ peer_workload: this.#workload(peer), peer_labels: peer?.labels ?? {} },
      peer_identity: key.readBigUInt64LE(K.peer_identity),
      ...ruleOf(key, decision, verdict),
      ...this.#http(key, record),
      source_address: addressText(record, R.source_address),
      destination_address: addressText(record, R.destination_address),
      source_port: record.readUInt16LE(R.source_port),
    };
  }

  #person(key: Buffer, at: number): Person | undefined {
    return this.#parts.names.person(Number(key.readBigUInt64LE(at)));
  }

  #workload(person: Person | undefined): string {
    return person === undefined || person.uid === '' ? '' : this.#parts.workloadOf(person.uid);
  }

  #http(key: Buffer, record: Buffer): Row {
    const judged = key.readUInt8(K.http_judged);
    if (judged === HTTP.http_judged.none) return {};
    const unjudged = key.readUInt8(K.http_unjudged);
    const { method, host, path } = headOf(record.subarray(R.head, R.head + record.readUInt16LE(R.head_length)));
    return {
      http_judged: wordOf(HTTP.http_judged, judged),
      http_reason: unjudged === HTTP.http_unjudged.none ? '' : wordOf(HTTP.http_unjudged, unjudged),
      http_method: method,
      http_host: host,
      http_path: redactedSegments(path, this.#parts.allowed()).join('/'),
    };
  }
}

function ruleOf(key: Buffer, decision: NamedDecision | undefined, verdict: string): Row {
  const told = ({ kind, namespace, name }: typeof NOBODY, index: number, path: string, reason: string): Row => ({
    ...{ policy_kind: kind, policy_namespace: namespace, policy_name: name },
    ...{ rule_index: index, rule_path: path, policy_reason: reason },
  });
  if (decision === undefined) {
    const isNone = key.readUInt32LE(K.decision) === 0xffff_ffff;
    // No subject was asked, or the packet could not be read.
    const reason = !isNone ? '' : verdict === 'no_policy' ? 'no_policy' : 'unread';
    return told(NOBODY, -1, '', reason);
  }
  if (key.readUInt8(K.http_judged) === HTTP.http_judged.none)
    return told(decision, decision.index, decision.path, decision.reason);
  const number = key.readUInt8(K.http_rule);
  const rule = number === NO_HTTP_RULE ? undefined : decision.requests[number];
  return rule === undefined ? told(decision, -1, '', 'no_http_rule') : told(rule, rule.index, rule.path, 'rule');
}

/** What the begin of a request's head says; it is whatever somebody sent. */
function headOf(bytes: Buffer): { method: string; host: string; path: string } {
  const text = bytes.toString('latin1');
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  const [method = '', target = ''] = line.split(' ').map(printable);
  const { authority, path } = splitTarget(target, method);
  const host = /\r?\nhost:[ \t]*([^\r\n]*)/i.exec(text)?.[1] ?? '';
  return { method: method.slice(0, 32), host: authority || hostOf(printable(host)), path };
}
