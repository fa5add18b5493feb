/** Connections and requests that were stored, judged by the policies in force and by drafts: what would change for whom. */
import { setImmediate as turn } from 'node:timers/promises';
import type { RuleOf } from '../../../collector/src/control/policy/judge.ts';
import { PROTOCOLS } from '../../../collector/src/control/policy/model.ts';
import { instantText } from '../fields.ts';
import type { StoreRow } from '../store.ts';
import type { Ends, JudgedEnd } from './ends.ts';
import type { DecidedBy, Judgement, PolicyJudge, Word } from './judge.ts';
import { judgeRequest, type RequestReason, type StoredRequest } from './request_judge.ts';

/** What is judged: connections, and requests where a policy has rules for them. */
export type What = 'connections' | 'requests';

/** Why a verdict is what it is, where no policy says it, or why it is not known. */
export type Reason =
  | RequestReason
  /** Labels or names of ports that policies ask for and nobody told, or who an end is. */
  | 'labels'
  /** The initiator dialled a service and it is not known which port that led to. */
  | 'service'
  /** It is not known which end began the connection. */
  | 'initiator'
  /** It carried no HTTP/1 where rules are about requests. */
  | 'not_http1';

interface Verdict {
  readonly word: Word;
  readonly reason: Reason | undefined;
  readonly by: DecidedBy | undefined;
}

export type Counts = Record<`${Word}_to_${Word}`, bigint>;

export interface Example {
  readonly time: string;
  readonly source: string;
  readonly destination: string;
  /** Method, host and target as they are stored. */
  readonly request: string | undefined;
  readonly count: bigint;
}

/** What changes, or is not known, between two workloads. */
export interface Change {
  readonly what: What;
  readonly source: Readonly<Record<'namespace' | 'workload', string>>;
  readonly destination: Readonly<Record<'namespace' | 'workload', string>>;
  readonly port: number;
  readonly protocol: number;
  readonly before: Verdict;
  readonly after: Verdict;
  count: bigint;
  readonly examples: Example[];
}

const WORDS: readonly Word[] = ['allowed', 'denied', 'unknown'];
const noCounts = (): Counts =>
  Object.fromEntries(WORDS.flatMap((a) => WORDS.map((b) => [`${a}_to_${b}`, 0n]))) as Counts;

/** Groups that are judged before others have their turn. */
const AT_ONCE = 2_000;
interface Group {
  readonly source: JudgedEnd;
  readonly destination: JudgedEnd;
  readonly port: number;
  readonly protocol: number;
  readonly weight: bigint;
  readonly row: StoreRow;
}

const titleOf = ({ version, address }: JudgedEnd): string => {
  const { namespace, name } = version;
  if (name !== '') return namespace === '' ? name : `${namespace}/${name}`;
  return address.family === 4
    ? [24n, 16n, 8n, 0n].map((shift) => (address.bits >> shift) & 255n).join('.')
    : (address.bits.toString(16).padStart(32, '0').match(/.{4}/g) ?? []).join(':');
};

const requestOf = (row: StoreRow): StoredRequest => ({
  method: String(row.method),
  host: String(row.host),
  path: String(row.path),
  query: String(row.query),
  version: Number(row.version),
  isCut: row.is_cut === true || row.is_cut === 1,
});

const requestText = ({ method, host, path, query }: StoredRequest) =>
  `${method} ${host}${path}${query === '' ? '' : `?${query}`}`;

const byText = ({ by }: Verdict) =>
  by === undefined
    ? ''
    : `${by.direction} ${by.policy?.kind} ${by.policy?.namespace}/${by.policy?.name} ${by.rule?.path}`;
const verdictText = (verdict: Verdict) => `${verdict.word} ${verdict.reason} ${byText(verdict)}`;

/** Replays one question. */
export class Replay {
  readonly counts: Readonly<Record<What, Counts>> = { connections: noCounts(), requests: noCounts() };
  readonly changes = new Map<string, Change>();
  /** Connections with an end that has a private address which nobody told whose it was: taken as outside. */
  takenAsOutside = 0n;
  /** Whether a row stood for more than itself. */
  isSampled = false;
  /** Namespaces that rows have an end in. */
  readonly namespaces = new Set<string>();
  /** TCP ports at which requests are judged. */
  readonly #ports = new Set<number>();
  readonly #ends: Ends;
  readonly #judges: readonly [before: PolicyJudge, after: PolicyJudge];
  readonly #namespace: string | undefined;
  readonly #examples: number;
  readonly #requests = new Map<string, Verdict>();
  readonly #ruleSets = new Map<string, number>();

  constructor(
    ends: Ends,
    judges: readonly [before: PolicyJudge, after: PolicyJudge],
    asked: { readonly namespace: string | undefined; readonly examples: number },
  ) {
    this.#ends = ends;
    this.#judges = judges;
    this.#namespace = asked.namespace;
    this.#examples = asked.examples;
  }

  /** Known when connections were replayed. */
  get ports(): readonly number[] {
    return [...this.#ports].sort((a, b) => a - b);
  }

  /** @param rows of connectionGroupsSql */
  async connections(rows: readonly StoreRow[], signal: AbortSignal): Promise<void> {
    await this.#each(rows, signal, (group) => {
      if (isSet(group.row.source_private) || isSet(group.row.destination_private)) this.takenAsOutside += group.weight;
      this.#note('connections', group, this.#connection(group, false), group.weight);
    });
  }

  /** Of connections that were replayed those that carried no HTTP/1. @param rows of opaqueGroupsSql */
  async opaque(rows: readonly StoreRow[], signal: AbortSignal): Promise<void> {
    await this.#each(rows, signal, (group) => {
      this.#note('connections', group, this.#connection(group, false), -group.weight);
      this.#note('connections', group, this.#connection(group, true), group.weight);
    });
  }

  /** @param rows of requestGroupsSql */
  async requests(rows: readonly StoreRow[], signal: AbortSignal): Promise<void> {
    await this.#each(rows, signal, (group) => {
      const judgements = this.#judges.map((judge) => judge.judge(group, group));
      if (judgements.every(({ http }) => http === undefined)) return;
      const request = requestOf(group.row);
      const verdicts = judgements.map((one) => this.#request(one, group, request));
      this.#note('requests', group, verdicts, group.weight, requestText(request));
    });
  }

  async #each(rows: readonly StoreRow[], signal: AbortSignal, take: (group: Group) => void): Promise<void> {
    for (const [index, row] of rows.entries()) {
      if (index % AT_ONCE === AT_ONCE - 1) {
        await turn();
        signal.throwIfAborted();
      }
      const group = this.#group(row);
      const namespaces = [group.source, group.destination].map(({ version }) => version.namespace);
      if (this.#namespace !== undefined && !namespaces.includes(this.#namespace)) continue;
      for (const namespace of namespaces) this.namespaces.add(namespace);
      if (Number(row.heaviest) > 1) this.isSampled = true;
      take(group);
    }
  }

  #group(row: StoreRow): Group {
    const end = (name: 'source' | 'destination') =>
      this.#ends.at(String(row[`${name}_id`]), BigInt(String(row[`${name}_from_ns`])), String(row[`${name}_address`]));
    return {
      ...{ source: end('source'), destination: end('destination'), row },
      ...{ port: Number(row.port), protocol: Number(row.protocol), weight: BigInt(String(row.weight)) },
    };
  }

  /** Before and after. */
  #connection(group: Group, isOpaque: boolean): readonly Verdict[] {
    return this.#judges.map((judge) => this.#verdict(judge, group, isOpaque));
  }

  #verdict(judge: PolicyJudge, group: Group, isOpaque: boolean): Verdict {
    const { word, by, http } = judge.judge(group, group);
    const { source, destination, row } = group;
    const isSure =
      isSet(row.sure) || (by ?? judge.judge({ source: destination, destination: source }, group).by) === undefined;
    if (!isSure) return { word: 'unknown', reason: 'initiator', by: undefined };
    if (isSet(row.unled) && by !== undefined) return { word: 'unknown', reason: 'service', by: undefined };
    if (word !== 'allowed') return { word, reason: word === 'unknown' ? 'labels' : undefined, by };
    if (http === undefined) return { word, reason: undefined, by };
    if (group.protocol === PROTOCOLS.TCP) this.#ports.add(group.port);
    return isOpaque ? { word: 'denied', reason: 'not_http1', by } : { word, reason: undefined, by };
  }

  #request({ word, by, http }: Judgement, { row }: Group, request: StoredRequest): Verdict {
    if (isSet(row.unled) && by !== undefined) return { word: 'unknown', reason: 'service', by: undefined };
    if (word !== 'allowed') return { word, reason: word === 'unknown' ? 'labels' : undefined, by };
    if (http === undefined) return { word, reason: undefined, by };
    const rules = http.map(({ rule }) => rule.path + JSON.stringify(rule.http)).join();
    const number = this.#ruleSets.get(rules) ?? this.#ruleSets.size;
    this.#ruleSets.set(rules, number);
    const key = JSON.stringify([number, request]);
    const known = this.#requests.get(key);
    if (known !== undefined) return known;
    const told = judgeRequest(http, request);
    const rule: RuleOf | undefined = told.rule ?? http[0];
    const verdict: Verdict = {
      word: told.word,
      reason: told.reason,
      by: rule && { direction: 'ingress', policy: rule.policy, rule: rule.rule },
    };
    this.#requests.set(key, verdict);
    return verdict;
  }

  /** @param weight less than 0 takes back what was noted before */
  #note(what: What, group: Group, verdicts: readonly Verdict[], weight: bigint, request?: string): void {
    const { source, destination, port, protocol, row } = group;
    const [before, after] = verdicts as [Verdict, Verdict];
    this.counts[what][`${before.word}_to_${after.word}`] += weight;
    if (before.word === after.word && after.word !== 'unknown') return;
    const [from, to] = [source.version, destination.version];
    const key = JSON.stringify([
      ...[what, from.namespace, from.workload, to.namespace, to.workload, port, protocol],
      ...[verdictText(before), verdictText(after)],
    ]);
    const known = this.changes.get(key);
    const change: Change = known ?? {
      ...{ what, source: named(from), destination: named(to), port, protocol, before, after },
      ...{ count: 0n, examples: [] },
    };
    this.changes.set(key, change);
    change.count += weight;
    if (change.count === 0n) this.changes.delete(key);
    if (weight < 0n) return;
    if (change.examples.length >= this.#examples) return;
    change.examples.push({
      time: instantText(BigInt(String(row.last_ns))),
      source: titleOf(source),
      destination: `${titleOf(destination)}:${port}`,
      ...{ request, count: weight },
    });
  }
}

const isSet = (value: unknown): boolean => value === 1 || value === true;
const named = ({ namespace, workload }: { namespace: string; workload: string }) => ({ namespace, workload });
