/** Objects from the API server, for those who act on them. What nobody needs is not asked for. */
import type { Logger } from 'pino';
import { keptTogether } from '../kubernetes/pruned_json.ts';
import type { ReflectorState, Resource, ResourceSink } from '../kubernetes/resource.ts';
import { Followers } from './followers.ts';
import { apiVersionOf, KINDS, type Kind, type KindName, kindOf, pathOf } from './kinds.ts';
import { ReflectedKind } from './reflected.ts';
import type { Condition, ObjectFollower, ObjectSource } from './source.ts';

/** A resource that is watched for its objects alone. */
export interface WatchedKind {
  readonly kind: KindName;
  readonly plural: string;
  readonly resource: Resource;
  readonly sink: ReflectedKind;
}

/** The kinds that the configured steps need. */
export class WatchedObjects implements ObjectSource {
  readonly #followers: Followers;
  readonly #sinks: ReadonlyMap<KindName, ReflectedKind>;
  /** How the reflector of a kind stands, of those that the API server may not have. */
  readonly #states = new Map<KindName, ReflectorState>();
  #settling: NodeJS.Immediate | undefined;

  constructor(kinds: readonly KindName[], log: Pick<Logger, 'error'>) {
    this.#followers = new Followers(log);
    this.#sinks = new Map(kinds.map((kind) => [kind, new ReflectedKind(kind, this.#followers, this.#settleLater)]));
  }

  follow(kinds: readonly KindName[], follower: ObjectFollower): void {
    this.#followers.follow(kinds, follower);
  }

  /** What identity is taken from is watched anyway: more of it, and told to one more. */
  widened(plural: string, resource: Resource, sink: ResourceSink): { resource: Resource; sink: ResourceSink } {
    const known = KINDS.find((kind: Kind) => kind.plural === plural);
    const own = known === undefined ? undefined : this.#sinks.get(known.kind);
    if (known === undefined || own === undefined) return { resource, sink };
    const fields = keptTogether(resource.fields ?? true, known.fields);
    return { resource: { ...resource, fields }, sink: both(sink, own) };
  }

  /** What is watched for this alone; the API server may not have it. */
  others(): WatchedKind[] {
    return [...this.#sinks].flatMap(([name, sink]) => {
      const kind = kindOf(name);
      if (kind === undefined || kind.isIdentity) return [];
      const resource = { path: pathOf(kind), fields: kind.fields, isOptional: true };
      return [{ kind: name, plural: kind.plural, resource, sink }];
    });
  }

  /** Says how the reflector of a kind stands from now on. */
  watching(kind: KindName, state: ReflectorState): void {
    this.#states.set(kind, state);
  }

  conditions(): readonly Condition[] {
    const absent = [...this.#states].filter(([, { isAbsent }]) => isAbsent).map(([kind]) => notServed(kind));
    const all = [...absent, ...[...this.#sinks.values()].flatMap((sink) => sink.conditions())];
    return all.sort((a, b) => Number(a.accepted) - Number(b.accepted));
  }

  close(): void {
    clearImmediate(this.#settling);
  }

  /** What comes at once is put to use at once. */
  readonly #settleLater = (): void => {
    this.#settling ??= setImmediate(() => {
      this.#settling = undefined;
      this.#followers.settle();
    });
  };
}

function notServed(name: KindName): Condition {
  const kind = kindOf(name) as Kind;
  const message = `the API server has no ${kind.plural} of ${apiVersionOf(kind)}: nothing to do unless there should be any`;
  return { kind: name, namespace: '', name: '', accepted: true, reason: 'NotServed', message };
}

function both(first: ResourceSink, second: ResourceSink): ResourceSink {
  const tell = (say: (sink: ResourceSink) => void): void => {
    // An object that one cannot take is not the other's loss.
    try {
      say(first);
    } finally {
      say(second);
    }
  };
  return {
    begin: () => tell((sink) => sink.begin()),
    item: (object) => tell((sink) => sink.item(object)),
    end: () => tell((sink) => sink.end()),
    changed: (object) => tell((sink) => sink.changed(object)),
    deleted: (object) => tell((sink) => sink.deleted(object)),
  };
}
