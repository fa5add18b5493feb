/** Who security identities are, for those who read what policies said. */
import type { Cluster } from './compile.ts';
import { labelsOfNode, labelsOfPod, securityIdentity, WORLD } from './endpoints.ts';
import type { Entity } from './labels.ts';
import type { Labels } from './selector.ts';

/** All that have one security identity. */
export interface Person {
  readonly identity: number;
  readonly entity: Entity;
  /** Of pods, else empty. */
  readonly namespace: string;
  /** UID of one of the pods; empty if it is none. */
  readonly uid: string;
  /** Of the pods or nodes. */
  readonly labels: Readonly<Record<string, string>>;
}

const textOf = (labels: Labels) => Object.fromEntries(labels);

/** Each identity once. */
export function peopleOf({ node, nodes, pods }: Cluster): readonly Person[] {
  const people = new Map<number, Person>();
  const add = (identity: number, person: Omit<Person, 'identity'>) => {
    if (!people.has(identity)) people.set(identity, { identity, ...person });
  };
  add(securityIdentity(WORLD), { entity: 'world', namespace: '', uid: '', labels: {} });
  for (const one of nodes) {
    const entity = one.name === node ? 'host' : 'remote-node';
    const identity = securityIdentity(labelsOfNode(one.name, one.labels, node));
    add(identity, { entity, namespace: '', uid: '', labels: textOf(one.labels) });
  }
  for (const pod of pods) {
    if (pod.hostNetwork) continue;
    const { namespace, uid, labels } = pod;
    add(securityIdentity(labelsOfPod(pod)), { entity: 'pod', namespace, uid, labels: textOf(labels) });
  }
  return [...people.values()];
}
