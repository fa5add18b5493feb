/** Tells everybody who acts on objects, and keeps one from being told of what another has refused. */
import type { Logger } from 'pino';
import type { KindName } from './kinds.ts';
import { notUsed, type ObjectFollower, type ObjectId, type Refusal, titleOf } from './source.ts';

interface Following {
  readonly follower: ObjectFollower;
  readonly kinds: ReadonlySet<KindName>;
  /** Something was told since it was settled last. */
  hasNews: boolean;
}

/** The followers of one source. */
export class Followers {
  readonly #log: Pick<Logger, 'error'>;
  readonly #all: Following[] = [];
  /** Kinds of which all there is has been told once. */
  readonly #complete = new Set<KindName>();

  constructor(log: Pick<Logger, 'error'>) {
    this.#log = log;
  }

  follow(kinds: readonly KindName[], follower: ObjectFollower): void {
    this.#all.push({ follower, kinds: new Set(kinds), hasNews: true });
  }

  isFollowed(kind: KindName): boolean {
    return this.#all.some(({ kinds }) => kinds.has(kind));
  }

  /** Why an object cannot be taken: the first reason of anybody. */
  check(id: ObjectId, object: unknown): Refusal | undefined {
    if (!this.isFollowed(id.kind)) return notUsed(id.kind);
    for (const { follower } of this.#of(id.kind)) {
      try {
        const refusal = follower.check(id, object);
        if (refusal !== undefined) return refusal;
      } catch (error) {
        this.#log.error({ err: error, code: 'FLOW_OBJECT_CHECK' }, `${titleOf(id)} could not be checked`);
        return { reason: 'CheckFailed', message: `it could not be checked (${(error as Error).message}): tell us` };
      }
    }
    return undefined;
  }

  take(id: ObjectId, object: unknown): void {
    this.#tell(id, (follower) => follower.take(id, object));
  }

  delete(id: ObjectId, object: unknown): void {
    this.#tell(id, (follower) => follower.delete(id, object));
  }

  /** All there is of some kinds has been told. */
  complete(...kinds: readonly KindName[]): void {
    for (const kind of kinds) this.#complete.add(kind);
  }

  /** What was told so far belongs together: those who know all of their kinds put it to use. */
  settle(): void {
    for (const following of this.#all) {
      if (!following.hasNews || ![...following.kinds].every((kind) => this.#complete.has(kind))) continue;
      following.hasNews = false;
      try {
        following.follower.settled();
      } catch (error) {
        this.#log.error({ err: error, code: 'FLOW_OBJECT_SETTLE' }, 'news of objects could not be put to use');
      }
    }
  }

  #of(kind: KindName): Following[] {
    return this.#all.filter(({ kinds }) => kinds.has(kind));
  }

  /** What one cannot take is not the others' loss. */
  #tell(id: ObjectId, say: (follower: ObjectFollower) => void): void {
    for (const following of this.#of(id.kind)) {
      following.hasNews = true;
      try {
        say(following.follower);
      } catch (error) {
        this.#log.error({ err: error, code: 'FLOW_OBJECT_TAKE' }, `${titleOf(id)} could not be taken`);
      }
    }
  }
}
