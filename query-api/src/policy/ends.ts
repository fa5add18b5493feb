/** Ends of connections as policies see them, by endpoint and time: what the store's endpoints were labelled with then. */

import { labelsOfNode, labelsOfPod, type Pod, WORLD } from '../../../collector/src/control/policy/endpoints.ts';
import { ENTITY } from '../../../collector/src/control/policy/labels.ts';
import { type Address, only, type Prefix, readAddress } from '../../../collector/src/control/policy/prefix.ts';
import type { Labels } from '../../../collector/src/control/policy/selector.ts';
import type { StoreRow } from '../store.ts';
import type { IsUnknown, Knowledge } from './knowledge.ts';

/** An endpoint, while its labels were these. */
export interface Version {
  /** The same for versions that policies cannot tell apart but by address and node. */
  readonly key: string;
  readonly namespace: string;
  readonly workload: string;
  readonly name: string;
  /** A pod with a network of its own. */
  readonly pod: Pod | undefined;
  /** Name of the node, of whatever has a node's network. */
  readonly node: string | undefined;
  readonly isUnknown: IsUnknown;
  /** Rows name it, and nobody told who it is. */
  readonly isUntold: boolean;
}

/** An end with an address. */
export interface JudgedEnd {
  readonly version: Version;
  readonly address: Address;
  readonly prefix: Prefix;
}

const NO_NAMES = { namespace: '', workload: '', name: '' } as const;
/** Whoever is outside the cluster. */
const OUTSIDE: Version = {
  ...{ ...NO_NAMES, key: 'outside', pod: undefined, node: undefined, isUntold: false },
  isUnknown: () => false,
};
const UNTOLD: Version = { ...OUTSIDE, key: 'untold', isUntold: true };
const NO_ADDRESS: Address = { family: 4, bits: 0n };

/** Rows' addresses are IPv6, IPv4 as v4-mapped. */
export const addressOf = (text: string): Address => readAddress(text.replace(/^::ffff:(?=\d+\.)/, '')) ?? NO_ADDRESS;

/** The label set of an end as seen from a pod's node. */
export function labelsOf({ pod, node }: Version, seenFrom: string, knowledge: Knowledge): Labels {
  if (pod !== undefined) return labelsOfPod(pod);
  return node === undefined ? WORLD : labelsOfNode(node, knowledge.node(node).labels, seenFrom);
}

/** Whether an end is one that policies can be about. */
export const isPod = (labels: Labels): boolean => labels.get(ENTITY) === 'pod';

const sorted = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels).sort(([a], [b]) => Number(a > b) - Number(a < b));

/** All endpoints that rows can point at. */
export class Ends {
  /** By id, in the order of time. */
  readonly #versions = new Map<string, { readonly fromNs: bigint; readonly version: Version }[]>();
  readonly #knowledge: Knowledge;
  readonly #nodeAddresses: ReadonlySet<string>;
  /** Short names of keys, which are long. */
  readonly #keys = new Map<string, string>();
  /** Namespaces that have pods. */
  readonly namespaces = new Set<string>();

  /** @param rows of endpointVersionsSql */
  constructor(rows: readonly StoreRow[], knowledge: Knowledge) {
    this.#knowledge = knowledge;
    const nodes = rows.filter(({ kind }) => kind === 'node');
    this.#nodeAddresses = new Set(nodes.flatMap(({ addresses }) => addresses as string[]));
    for (const row of rows) {
      const id = String(row.endpoint_id);
      const known = this.#versions.get(id) ?? [];
      const version = this.#version(row);
      if (known.at(-1)?.version.key !== version.key) known.push({ fromNs: BigInt(String(row.from_ns)), version });
      this.#versions.set(id, known);
      if (version.pod !== undefined) this.namespaces.add(version.namespace);
    }
  }

  /** Whether one of them was labelled anew: then rows must tell when they were. */
  get change(): boolean {
    return this.#versions.values().some((versions) => versions.length > 1);
  }

  /** Who an id was. @param fromNs begin of the interval of the endpoint that the row is in; 0: of its first */
  at(id: string, fromNs: bigint, address: string): JudgedEnd {
    const versions = this.#versions.get(id) ?? [];
    const found = versions.findLast((one) => one.fromNs <= fromNs) ?? versions[0];
    const version = found?.version ?? (id === '0' ? OUTSIDE : UNTOLD);
    const read = addressOf(address);
    return { version, address: read, prefix: only(read) };
  }

  #short(key: string): string {
    const known = this.#keys.get(key) ?? `e${this.#keys.size}`;
    this.#keys.set(key, known);
    return known;
  }

  #version(row: StoreRow): Version {
    const told = (name: string) => String(row[name] ?? '');
    const [kind, namespace, workload, name, node] = ['kind', 'namespace', 'workload', 'name', 'node'].map(told) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const named = { namespace, workload, name };
    if (kind === 'outside') return { ...OUTSIDE, ...named, key: this.#short(`outside ${name}`) };
    const uid = told('pod_uid');
    const given = this.#knowledge.pod(uid);
    const addresses = row.addresses as string[];
    const isOfNode = given?.hostNetwork ?? addresses.some((address) => this.#nodeAddresses.has(address));
    if (kind !== 'pod' || isOfNode) {
      const of = kind === 'node' && node === '' ? name : node;
      return {
        ...named,
        key: this.#short(`node ${of} ${workload}`),
        pod: undefined,
        ...{ node: of, isUntold: false },
        isUnknown: this.#knowledge.unknownOfNode(of),
      };
    }
    const labels = row.labels as Record<string, string>;
    const serviceAccount = told('service_account') || (given?.serviceAccount ?? '');
    const pod: Pod = {
      ...{ uid, namespace, serviceAccount, node, hostNetwork: false },
      namespaceLabels: this.#knowledge.namespaceLabels(namespace),
      labels: new Map(Object.entries(labels)),
      ports: given?.ports ?? [],
      addresses: addresses.map(addressOf),
    };
    const facts = ['pod', namespace, sorted(labels), serviceAccount, pod.ports, node, given === undefined, workload];
    const key = this.#short(JSON.stringify(facts));
    return {
      ...named,
      ...{ key, pod, node: undefined, isUntold: false },
      isUnknown: this.#knowledge.unknownOfPod({ uid, namespace, serviceAccount }),
    };
  }
}
