/** Whether an endpoint has become something else, or more is known of it. */
import type { Identity } from '../control/identity.ts';

/** Owners that have owners themselves, which may be known later. */
const MADE_BY_OTHERS = new Set(['ReplicaSet', 'Job']);

/**
 * Whether the labels or the workload of a pod are others than they were. What was not known before is no change: the pod
 * had it all the time; nor is the workload behind a ReplicaSet or Job that is heard of later.
 */
export function isSomethingElse(before: Identity, now: Identity): boolean {
  if (before.pod === undefined || now.pod === undefined || before.name === '') return false;
  if (!areSame(before.labels, now.labels)) return true;
  if (before.workload === now.workload && before.pod.workloadKind === now.pod.workloadKind) return false;
  return !(MADE_BY_OTHERS.has(before.pod.workloadKind) && before.pod.workloadKind !== now.pod.workloadKind);
}

function areSame(one: Identity['labels'], other: Identity['labels']): boolean {
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && one[key] === other[key])
  );
}
