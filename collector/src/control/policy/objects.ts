/** Objects that policies are made of: what they say, and whom they are about. */
import { apiVersionOf, type KindName, kindOf } from '../objects/kinds.ts';
import type { ObjectId, Refusal } from '../objects/source.ts';
import { readPolicy } from './read_policy.ts';

export const POLICY_KINDS: readonly KindName[] = [
  'NetworkPolicy',
  'ClusterNetworkPolicy',
  'CiliumNetworkPolicy',
  'CiliumClusterwideNetworkPolicy',
];
/** Whom they are about. */
export const CLUSTER_KINDS: readonly KindName[] = ['Pod', 'Namespace', 'Node'];

export const isPolicy = (kind: KindName): boolean => POLICY_KINDS.includes(kind);

/** An object with what the API server's lists leave out of their items: its kind and version. */
export function whole({ kind }: ObjectId, object: unknown): object {
  const known = kindOf(kind);
  return { ...(known === undefined ? {} : { apiVersion: apiVersionOf(known) }), kind, ...(object as object) };
}

/** Why a policy cannot be honoured in full; undefined if it can, and for what is none. */
export function checkPolicy(id: ObjectId, object: unknown): Refusal | undefined {
  if (!isPolicy(id.kind)) return undefined;
  const { condition } = readPolicy(whole(id, object));
  return condition.accepted ? undefined : condition;
}
