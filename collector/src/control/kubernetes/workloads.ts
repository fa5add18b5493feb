/** Which workload a pod belongs to: its owner, or the owner's owner. */
import type { OwnedObject, Owner } from './objects.ts';

export interface Workload {
  readonly kind: string;
  readonly name: string;
}

/** What is asked of a pod. */
export interface OwnedPod {
  readonly name: string;
  readonly node: string;
  readonly owner: Owner | undefined;
  readonly isStatic: boolean;
  readonly labels: ReadonlyMap<string, string>;
}

/** How long those that were deleted still say whom their pods belong to. */
const REMEMBERED_MS = 15 * 60_000;

const HASH_LABEL = 'pod-template-hash';

/**
 * ReplicaSets and Jobs, of which the owner is all that is kept; not even that of ReplicaSets which are a Deployment's
 * by their name, as nearly all are: their pods have a label that tells.
 */
export class Workloads {
  /** By UID: the owner, or undefined if it has none and is a workload itself. */
  readonly #makers = new Map<string, Workload | undefined>();
  /** One object for all that belong together. */
  readonly #shared = new Map<string, Workload>();
  readonly #deleted = new Map<string, number>();

  get count(): number {
    return this.#makers.size - this.#deleted.size;
  }

  /** @returns whether it is kept */
  take({ uid, name, owner }: OwnedObject): boolean {
    this.#deleted.delete(uid);
    if (owner?.kind === 'Deployment' && name.startsWith(`${owner.name}-`) && !this.#makers.has(uid)) return false;
    this.#makers.set(uid, owner && this.#share(owner.kind, owner.name));
    return true;
  }

  delete(uid: string, nowMs: number): void {
    if (this.#makers.has(uid)) this.#deleted.set(uid, nowMs);
  }

  /** Forgets what was deleted long ago. */
  forget(nowMs: number): void {
    for (const [uid, ms] of this.#deleted) {
      if (ms > nowMs - REMEMBERED_MS) break;
      this.#deleted.delete(uid);
      this.#makers.delete(uid);
    }
    if (this.#shared.size > 2 * this.#makers.size + 1000) this.#shared.clear();
  }

  of({ name, node, owner, isStatic, labels }: OwnedPod): Workload {
    if (isStatic)
      return { kind: 'StaticPod', name: name.endsWith(`-${node}`) ? name.slice(0, -1 - node.length) : name };
    if (owner === undefined) return { kind: 'Pod', name };
    if (this.#makers.has(owner.uid)) return this.#makers.get(owner.uid) ?? { kind: owner.kind, name: owner.name };
    // Only Deployments set this label, and name their ReplicaSets so.
    const hash = labels.get(HASH_LABEL) ?? '';
    if (owner.kind === 'ReplicaSet' && hash !== '' && owner.name.endsWith(`-${hash}`))
      return { kind: 'Deployment', name: owner.name.slice(0, -1 - hash.length) };
    return { kind: owner.kind, name: owner.name };
  }

  #share(kind: string, name: string): Workload {
    const key = `${kind}/${name}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const made = { kind, name };
    this.#shared.set(key, made);
    return made;
  }
}
