/** Kubernetes objects that a question may bring along. */
import { KINDS, type Kind } from '../../../collector/src/control/objects/kinds.ts';

/** What tells of the cluster what the store does not. */
const CLUSTER: readonly string[] = ['Namespace', 'Pod', 'Node'];
const isPolicyKind = ({ kind, isIdentity, steps }: Kind) =>
  CLUSTER.includes(kind) || (!isIdentity && steps.includes('policy'));

/** Kinds that matter; others need not be sent. */
export const WANTED: readonly Kind[] = (KINDS as readonly Kind[]).filter(isPolicyKind);

/** Empty if it says none. */
export const kindOf = (object: unknown): string =>
  typeof object === 'object' && object !== null && Object.hasOwn(object, 'kind')
    ? String(Reflect.get(object, 'kind'))
    : '';

/** Whether it is to be read as a policy, if only to say why it is none. */
export const isPolicy = (object: unknown): boolean => !CLUSTER.includes(kindOf(object));
