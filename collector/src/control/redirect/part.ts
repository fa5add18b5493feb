/**
 * The redirect of the data plane: keeps in the kernel which pods of this node opted in. Nothing of it is cleaned away when
 * it is closed: connections go on as they were, and the next run begins with what the maps hold.
 */
import type { Logger } from 'pino';
import { isNativeError } from '../../../native/addon.ts';
import { type Mode, modeIn } from '../../config_dataplane.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import { readCounters } from '../dataplane/counters.ts';
import type { DataplaneKernel, DataplanePart, Device, PartOptions } from '../dataplane/part.ts';
import type { LocalPod, LocalPods } from '../local_pods.ts';
import { type NetworkDevice, namespaceNumber, networkDevices } from '../network_devices.ts';
import type { Condition } from '../objects/source.ts';
import { redirectFamilies } from './families.ts';
import type { VethEnds } from './layout.ts';
import { type PlannedPod, planOf } from './plan.ts';
import { type AskingPod, AskingPods } from './pods.ts';
import { RedirectTables } from './tables.ts';
import { vethEnds } from './veth.ts';

const PEER_PROGRAM = 'peer_ingress';

export interface RedirectOptions {
  readonly kernel: DataplaneKernel;
  /** How far the step goes in a namespace. */
  readonly modeOf: (namespace: string) => Mode;
  readonly pods: Pick<LocalPods, 'pods' | 'onChange' | 'tick'>;
  readonly log: Pick<Logger, 'error'>;
}

const UNSAFE: Condition = {
  ...{ kind: 'Dataplane', namespace: '', name: 'redirect', accepted: false, reason: 'KernelUnsafe' },
  message:
    'this kernel loses count of what readers of redirected sockets have: no connection goes past TCP, the rest is done; take one whose struct sk_psock has msg_tot_len',
};

const onNode = (ifindex: number): Device => ({ netns: undefined, ifindex });

export class Redirect implements DataplanePart {
  readonly step = 'redirect';
  readonly kinds = ['Pod', 'Namespace'] as const;
  readonly follower: AskingPods;
  readonly #options: RedirectOptions;
  readonly #tables: RedirectTables;
  readonly #isSafe: boolean;
  /** The node's ends of veth pairs that have the program. */
  readonly #devices = new Set<number>();
  #conditions: readonly Condition[] = [];
  /** All objects are known. */
  #isTold = false;
  #isClosed = false;
  #pending: NodeJS.Immediate | undefined;
  /** What was to be written could not be. */
  #hasFailed = false;

  constructor(options: RedirectOptions) {
    this.#options = options;
    const { kernel, modeOf, pods } = options;
    this.#tables = new RedirectTables(kernel.object);
    freeze(kernel);
    this.#isSafe = isSafe(kernel);
    this.follower = new AskingPods(
      (namespace) => modeOf(namespace) !== 'observe',
      () => {
        // What an earlier run has written of pods' networks stays only if these are known.
        if (!this.#isTold) pods.tick(performance.now());
        this.#isTold = true;
        this.#write();
      },
    );
    pods.onChange(() => {
      if (!this.#isClosed) this.#pending ??= setImmediate(() => this.#writeChanges());
    });
  }

  conditions(): readonly Condition[] {
    return this.#isSafe ? this.#conditions : [UNSAFE, ...this.#conditions];
  }

  *families(): Generator<Family> {
    const counters = (name: string): number[] => {
      const map = this.#options.kernel.object.map(name);
      try {
        return readCounters(map);
      } finally {
        map.close();
      }
    };
    yield* redirectFamilies({
      sockmap: counters('redirect_counters'),
      peer: counters('peer_counters'),
      proxy: counters('proxy_counters'),
      entries: (table) => this.#tables.entries(table),
      room: this.#tables.room,
    });
  }

  tick(): void {
    if (this.#hasFailed) this.#writeChanges();
  }

  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#pending);
    this.#tables.close();
  }

  #writeChanges(): void {
    this.#pending = undefined;
    if (!this.#isTold) return;
    try {
      this.#write();
    } catch (error) {
      this.#options.log.error(
        { err: error, code: 'FLOW_REDIRECT_WRITE' },
        'the redirect could not be brought up to date',
      );
    }
  }

  /** Brings the kernel to what is known now. */
  #write(): void {
    this.#hasFailed = true;
    const { pods, conditions } = this.follower.asking();
    const planned = this.#plannedPods(pods);
    const { plan, conditions: others } = planOf(planned, this.#tables.room);
    this.#conditions = [...conditions, ...others];
    this.#tables.write(plan);
    this.#attach(planned);
    this.#hasFailed = false;
  }

  /** Those of this node. */
  #plannedPods(asking: readonly AskingPod[]): PlannedPod[] {
    const { modeOf, pods } = this.#options;
    const local = new Map([...pods.pods].map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
    const node = asking.some(({ settings }) => settings.peer) ? networkDevices() : [];
    return asking.flatMap((pod) => {
      const here = local.get(`${pod.namespace}/${pod.name}`);
      if (here === undefined || here.cgroups.length === 0) return [];
      const ends = pod.settings.peer ? endsOf(node, here) : undefined;
      const cgroups = here.cgroups.map(({ id }) => id);
      const isNetworkKnown = here.devices.length > 0;
      return [{ ...pod, mode: modeOf(pod.namespace), cgroups, ends, isNetworkKnown }];
    });
  }

  #attach(planned: readonly PlannedPod[]): void {
    const { kernel } = this.#options;
    const wanted = new Set(planned.flatMap(({ ends }) => (ends === undefined ? [] : [ends.ifindex])));
    for (const ifindex of [...this.#devices].filter((each) => !wanted.has(each))) {
      kernel.detachDevice(PEER_PROGRAM, onNode(ifindex));
      this.#devices.delete(ifindex);
    }
    for (const ifindex of wanted) {
      if (this.#devices.has(ifindex)) continue;
      kernel.attachDevice(PEER_PROGRAM, onNode(ifindex));
      this.#devices.add(ifindex);
    }
  }
}

/** Undefined if there is no pair, or the pod is about to go. */
function endsOf(node: readonly NetworkDevice[], { netns, devices }: LocalPod): VethEnds | undefined {
  if (netns === undefined) return undefined;
  try {
    return vethEnds(node, { namespace: namespaceNumber(netns.path), devices });
  } catch {
    return undefined;
  }
}

/** From now on no process takes a socket out of the map: the kernel would throw away what its reader has not taken. */
function freeze({ object }: DataplaneKernel): void {
  const ends = object.map('redirect_ends');
  ends.freeze();
  ends.close();
}

/** A kernel that cannot run the program that says so is as old. */
function isSafe({ object }: DataplaneKernel): boolean {
  try {
    return object.testRun('redirect_is_safe').retval === 1;
  } catch (error) {
    if (!isNativeError(error)) throw error;
    return false;
  }
}

/** The redirect of a collector. */
export function openRedirect({ kernel, config, kubernetes, log }: PartOptions): Redirect {
  const { localPods: pods } = kubernetes;
  if (pods === undefined) throw new Error('pods of this node are known wherever a step is wanted');
  return new Redirect({ kernel, modeOf: (namespace) => modeIn(config.dataplane, 'redirect', namespace), pods, log });
}
