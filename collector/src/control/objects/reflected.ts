/** What a reflector tells of one kind, for those who act on its objects. */
import type { ResourceSink } from '../kubernetes/resource.ts';
import type { Followers } from './followers.ts';
import type { KindName } from './kinds.ts';
import { ACCEPTED, type Condition, keyOf, type ObjectId } from './source.ts';

/** Names of DNS subdomains, by which the API server names objects. */
const NAME_LENGTH = 253;

interface Known {
  readonly id: ObjectId;
  /** A version of it was taken. */
  isTaken: boolean;
  condition: Condition;
}

/** The objects of one kind. */
export class ReflectedKind implements ResourceSink {
  readonly #kind: KindName;
  readonly #followers: Followers;
  readonly #told: () => void;
  readonly #known = new Map<string, Known>();
  #listed: Set<string> | undefined;

  /** @param told called whenever followers have news */
  constructor(kind: KindName, followers: Followers, told: () => void) {
    this.#kind = kind;
    this.#followers = followers;
    this.#told = told;
  }

  conditions(): Condition[] {
    return [...this.#known.values()].map(({ condition }) => condition);
  }

  begin(): void {
    this.#listed = new Set();
  }

  item(object: unknown): void {
    this.changed(object);
  }

  end(): void {
    const listed = this.#listed;
    this.#listed = undefined;
    for (const [key, { id }] of this.#known)
      if (listed?.has(key) === false) this.#forget(id, { metadata: { namespace: id.namespace, name: id.name } });
    this.#followers.complete(this.#kind);
    this.#told();
  }

  changed(object: unknown): void {
    const id = this.#idOf(object);
    if (id === undefined) return;
    const key = keyOf(id);
    this.#listed?.add(key);
    const isTaken = this.#known.get(key)?.isTaken ?? false;
    const refusal = this.#followers.check(id, object);
    if (refusal === undefined) {
      this.#known.set(key, { id, isTaken: true, condition: { ...id, accepted: true, ...ACCEPTED } });
      this.#followers.take(id, object);
      this.#told();
      return;
    }
    const { reason, message } = refusal;
    const rest = isTaken ? '; its last version that was accepted stays in use' : '';
    this.#known.set(key, { id, isTaken, condition: { ...id, accepted: false, reason, message: `${message}${rest}` } });
  }

  deleted(object: unknown): void {
    const id = this.#idOf(object);
    if (id !== undefined) this.#forget(id, object);
    this.#told();
  }

  #forget(id: ObjectId, object: unknown): void {
    const known = this.#known.get(keyOf(id));
    this.#known.delete(keyOf(id));
    if (known?.isTaken === true) this.#followers.delete(id, object);
  }

  #idOf(object: unknown): ObjectId | undefined {
    const { metadata } = (object ?? {}) as { metadata?: { namespace?: unknown; name?: unknown } | null };
    const { namespace = '', name } = metadata ?? {};
    if (typeof name !== 'string' || name === '' || name.length > NAME_LENGTH) return undefined;
    if (typeof namespace !== 'string' || namespace.length > NAME_LENGTH) return undefined;
    return { kind: this.#kind, namespace, name };
  }
}
