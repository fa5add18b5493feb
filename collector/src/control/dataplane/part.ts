/**
 * What the data plane is made of: each part acts on objects by writing maps of the data plane's BPF object, which are
 * pinned and outlive it. Parts are made and joined in collector/src/dataplane.ts.
 */
import type { Logger } from 'pino';
import type { BpfObject } from '../../../native/addon.ts';
import type { Host } from '../../attach/host.ts';
import type { Config } from '../../config.ts';
import type { Step } from '../../config_dataplane.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { Kubernetes } from '../kubernetes/open.ts';
import type { KindName } from '../objects/kinds.ts';
import type { Condition, ObjectFollower } from '../objects/source.ts';

export interface DataplanePart {
  readonly step: Step;
  /** Kinds of the objects that it is told of. */
  readonly kinds: readonly KindName[];
  readonly follower: ObjectFollower;
  /**
   * Whether the maps hold all there is: until every part's do, programs of an earlier run stay where they are attached,
   * and none is attached where there was none. Left out: once the follower was settled.
   */
  isFilled?(): boolean;
  /** How objects stand, beyond whether they can be read: `NoRoom`, `AddressTaken` and such. */
  conditions(): readonly Condition[];
  /** For /metrics; the names are published in metrics.ts `infos`, whether or not the part is there. */
  families(): Iterable<Family>;
  /** Once a second; never twice at once. @param nowMs of a clock that never goes back */
  tick?(nowMs: number): void | Promise<void>;
  /** Ends what is in user space only; the kernel's side stays. */
  close(): void;
}

/** A network device, and where it is. */
export interface Device {
  /** Path of its network namespace, such as /proc/PID/ns/net; undefined: where the collector runs. */
  readonly netns: string | undefined;
  readonly ifindex: number;
}

/** The kernel's side of the data plane. */
export interface DataplaneKernel {
  /** Loaded; its maps are those of earlier runs, where there were any. */
  readonly object: BpfObject;
  /**
   * Attaches a program to a device, in the direction that the table of programs says. The link is pinned. Does nothing if
   * it is attached there. Before the parts are filled it is noted, and done then.
   */
  attachDevice(program: string, device: Device): void;
  /** Takes it off again; does nothing if it is not there. */
  detachDevice(program: string, device: Device): void;
}

/** What a part is made with. */
export interface PartOptions {
  readonly kernel: DataplaneKernel;
  readonly config: Config;
  readonly host: Host;
  readonly kubernetes: Kubernetes;
  readonly log: Logger;
}
