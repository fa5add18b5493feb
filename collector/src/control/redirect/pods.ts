/** What pods and their namespaces ask of the redirect, as far as it is known. */
import type { Condition, ObjectFollower, ObjectId } from '../objects/source.ts';
import { isNothing, readSettings, type Settings, type Words, wordsOf } from './settings.ts';

/** What of a pod counts. */
export interface AskingPod {
  readonly namespace: string;
  readonly name: string;
  readonly hostNetwork: boolean;
  readonly addresses: readonly string[];
  readonly settings: Settings;
}

interface KnownPod extends Omit<AskingPod, 'settings'> {
  readonly uid: unknown;
  readonly words: Words;
  /** Its containers are gone for good: its address may be another's. */
  readonly isOver: boolean;
  /** What it asked for last that could be honoured. */
  lastGood: Settings | undefined;
}

const NO_WORDS: Words = { labels: {}, annotations: {} };
const OVER: ReadonlySet<unknown> = new Set(['Succeeded', 'Failed']);

interface PodObject {
  readonly metadata?: { readonly uid?: unknown };
  readonly spec?: { readonly hostNetwork?: unknown } | null;
  readonly status?: { readonly phase?: unknown; readonly podIP?: unknown; readonly podIPs?: unknown } | null;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function addressesOf({ podIP, podIPs }: NonNullable<PodObject['status']>): string[] {
  const all = Array.isArray(podIPs) ? podIPs.map((each: { ip?: unknown } | null) => each?.ip) : [];
  return [...new Set([podIP, ...all].filter(isText))];
}

/** Pods by what they ask for. It is told of Pods and Namespaces. */
export class AskingPods implements ObjectFollower {
  readonly #pods = new Map<string, KnownPod>();
  readonly #namespaces = new Map<string, Words>();
  readonly #isWanted: (namespace: string) => boolean;
  readonly #settled: () => void;

  /**
   * @param isWanted whether more than observing is done in a namespace
   * @param settled called when what was told belongs together
   */
  constructor(isWanted: (namespace: string) => boolean, settled: () => void) {
    this.#isWanted = isWanted;
    this.#settled = settled;
  }

  /** A pod whose wish cannot be honoured is a pod all the same: others act on it. Its condition tells. */
  check(): undefined {
    return undefined;
  }

  take({ kind, namespace, name }: ObjectId, object: unknown): void {
    if (kind === 'Namespace') {
      this.#namespaces.set(name, wordsOf(object));
      return;
    }
    const { metadata, spec, status } = object as PodObject;
    const { uid } = metadata ?? {};
    const key = `${namespace}/${name}`;
    const before = this.#pods.get(key);
    this.#pods.set(key, {
      ...{ namespace, name, uid, words: wordsOf(object) },
      ...{
        hostNetwork: spec?.hostNetwork === true,
        addresses: addressesOf(status ?? {}),
        isOver: OVER.has(status?.phase),
      },
      lastGood: before?.uid === uid ? before?.lastGood : undefined,
    });
  }

  delete({ kind, namespace, name }: ObjectId): void {
    if (kind === 'Namespace') this.#namespaces.delete(name);
    else this.#pods.delete(`${namespace}/${name}`);
  }

  settled(): void {
    this.#settled();
  }

  /** Pods that ask for something, and what is to be said of pods and namespaces. */
  asking(): { pods: AskingPod[]; conditions: Condition[] } {
    const pods: AskingPod[] = [];
    const conditions: Condition[] = [];
    for (const pod of this.#pods.values()) {
      if (pod.isOver || !this.#isWanted(pod.namespace)) continue;
      const refused = (reason: string, message: string): void => {
        conditions.push({ kind: 'Pod', namespace: pod.namespace, name: pod.name, accepted: false, reason, message });
      };
      const read = readSettings(pod.words, this.#namespaces.get(pod.namespace) ?? NO_WORDS);
      if ('settings' in read) pod.lastGood = read.settings;
      else {
        const rest = pod.lastGood === undefined ? 'it is not redirected' : 'what it asked for before stays in use';
        refused(read.refusal.reason, `${read.refusal.message}; ${rest}`);
      }
      const settings = pod.lastGood;
      if (settings === undefined || isNothing(settings)) continue;
      if (pod.hostNetwork)
        refused('HostNetwork', "it shares its node's network with others, and is not redirected: take the wish away");
      else pods.push({ ...pod, settings });
    }
    return { pods, conditions };
  }
}
