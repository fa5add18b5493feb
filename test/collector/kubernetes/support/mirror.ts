/** A sink that holds what a reflector tells, as an index has to, and a reflector that tells it. */
import { pino } from 'pino';
import type { KubernetesApi } from '../../../../collector/src/control/kubernetes/api.ts';
import { Reflector, type ReflectorOptions } from '../../../../collector/src/control/kubernetes/reflector.ts';
import type { Resource, ResourceSink } from '../../../../collector/src/control/kubernetes/resource.ts';

/** An object as the tests look at it. */
export interface Told {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of many kinds of objects
  readonly [field: string]: any;
}

/** Holds objects by uid; of those that a list did not tell, none is left at its end. */
export class Mirror implements ResourceSink {
  readonly objects = new Map<string, Told>();
  /** Calls, in order: `begin`, `item NAME`, `end`, `changed NAME`, `deleted NAME`. */
  readonly calls: string[] = [];
  #told: Set<string> | undefined;

  begin(): void {
    this.calls.push('begin');
    this.#told = new Set();
  }

  item(object: unknown): void {
    this.#keep('item', object as Told);
  }

  end(): void {
    this.calls.push('end');
    for (const uid of this.objects.keys()) if (!this.#told?.has(uid)) this.objects.delete(uid);
    this.#told = undefined;
  }

  changed(object: unknown): void {
    this.#keep('changed', object as Told);
  }

  deleted(object: unknown): void {
    const { metadata } = object as Told;
    this.calls.push(`deleted ${metadata.name}`);
    this.objects.delete(metadata.uid);
  }

  /** Names of what is held, sorted. */
  get names(): string[] {
    return [...this.objects.values()].map(({ metadata }) => metadata.name).sort();
  }

  /** How often a call was made. */
  count(call: string): number {
    return this.calls.filter((each) => each === call).length;
  }

  #keep(call: string, object: Told): void {
    this.calls.push(`${call} ${object.metadata.name}`);
    this.#told?.add(object.metadata.uid);
    this.objects.set(object.metadata.uid, object);
  }
}

/** A reflector that runs, what it tells, and what it logs. */
export interface Running {
  readonly reflector: Reflector;
  readonly mirror: Mirror;
  /** Log lines, parsed. */
  readonly logged: { level: number; code?: string; msg: string; retryInMs?: number }[];
  /** Ends it; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts a reflector of a resource. */
export function reflect(
  api: Pick<KubernetesApi, 'get'>,
  resource: Resource,
  options: Partial<ReflectorOptions> = {},
): Running {
  const mirror = new Mirror();
  const logged: Running['logged'] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const reflector = new Reflector({ api, resource, sink: mirror, log, ...options });
  const end = new AbortController();
  const ended = reflector.start(end.signal);
  return {
    reflector,
    mirror,
    logged,
    stop: async () => {
      end.abort();
      await ended;
    },
  };
}
