/**
 * Kubernetes objects for the parts that act on them: services, policies, redirect, identity. Whether they come from the
 * API server or from files is not told. An object is taken whole or refused whole; where a new version is refused the last
 * one that was taken stays in use, and the condition says so.
 */
import type { KindName } from './kinds.ts';

export interface ObjectId {
  readonly kind: KindName;
  /** Empty for kinds without. */
  readonly namespace: string;
  readonly name: string;
}

/** Why an object cannot be honoured. */
export interface Refusal {
  /** For programs, in CamelCase. */
  readonly reason: string;
  /** The cause and the next step, for people. */
  readonly message: string;
}

/** How an object, or a file of them, stands. */
export interface Condition extends Refusal {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Whether it is in use as it is written now. */
  readonly accepted: boolean;
}

/** Who acts on objects. They are plain parsed JSON of other people, to be read with care and never changed. */
export interface ObjectFollower {
  /** Why an object cannot be honoured in full; undefined if it can. Changes nothing. */
  check(id: ObjectId, object: unknown): Refusal | undefined;
  /** An object that is new, or is another than before. `check` has let it pass. */
  take(id: ObjectId, object: unknown): void;
  /** It is gone. @param object as it was last; where that is not known, its metadata alone */
  delete(id: ObjectId, object: unknown): void;
  /**
   * What was told since the last time belongs together and may be put to use: first, all there is when it is known of
   * every kind that is followed; then, each change.
   */
  settled(): void;
}

/** A place that tells of objects. */
export interface ObjectSource {
  /** To be called before the source is started. */
  follow(kinds: readonly KindName[], follower: ObjectFollower): void;
  /** How each object stands: those that were refused first. */
  conditions(): readonly Condition[];
}

/** `kind namespace/name`, by which objects are told apart. */
export function keyOf({ kind, namespace, name }: { kind: string; namespace: string; name: string }): string {
  return `${kind} ${namespace}/${name}`;
}

/** For people: `NetworkPolicy shop/web`, `Node worker`. */
export function titleOf({ kind, namespace, name }: { kind: string; namespace: string; name: string }): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

/** For `accepted` conditions. */
export const ACCEPTED: Refusal = { reason: 'Accepted', message: '' };

/** Of a kind on which nobody acts: an object that says what is allowed must not seem to be in force. */
export function notUsed(kind: string): Refusal {
  return { reason: 'NotUsed', message: `nothing here acts on ${kind}: it has no effect` };
}
