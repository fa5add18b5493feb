/** Who an endpoint is, and where that is known from. */
import { createHash } from 'node:crypto';

/** What an endpoint can be; see table `endpoints`. */
export type EndpointKind = 'pod' | 'unit' | 'container' | 'session' | 'process' | 'node' | 'outside';

/** What Kubernetes adds of a pod, whose namespace, name and labels stand with the identity. Not known is empty. */
export interface PodFacts {
  /** Its UID; of a static pod the hash of its configuration, which is the UID that its node knows it by. */
  readonly uid: string;
  /** Deployment, StatefulSet, DaemonSet, CronJob, Job, ReplicaSet, StaticPod, Pod, or the kind of a foreign owner. */
  readonly workloadKind: string;
  /** Name of the node it runs on, and that node's zone. */
  readonly node: string;
  readonly zone: string;
  readonly serviceAccount: string;
  /** It shares the addresses of its node. */
  readonly hostNetwork: boolean;
  /** Services of its namespace that lead to it, sorted. */
  readonly services: readonly string[];
  /** Names of its containers, by container id. */
  readonly containers: ReadonlyMap<string, string>;
  /** Images of its containers as its specification names them, by container name. */
  readonly images?: ReadonlyMap<string, string>;
  /** Its annotations `resource.opentelemetry.io/<attribute>`, by attribute. */
  readonly resourceAttributes?: Readonly<Record<string, string>>;
}

/** One endpoint, as its source knows it. Whatever is not known is empty. */
export interface Identity {
  /** The same after every restart; see `endpointId`. */
  readonly id: bigint;
  readonly kind: EndpointKind;
  readonly namespace: string;
  /** What people call the group it belongs to: deployment, unit, container or executable. */
  readonly workload: string;
  readonly name: string;
  readonly containerId: string;
  /** cgroup path below the v2 mount. */
  readonly cgroupPath: string;
  /** Whether it lives on this node. */
  readonly here: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Of a node that Kubernetes knows. */
  readonly zone?: string;
  /** Of a pod that Kubernetes knows. The same object for as long as nothing of it has changed. */
  readonly pod?: PodFacts;
  /** Since when it is there, with these labels, as far as its source knows, nanoseconds since the epoch; what is seen here is more exact. */
  readonly validFromNs?: bigint | undefined;
  /** When it ended as far as its source knows; undefined while it lives. */
  readonly validToNs?: bigint | undefined;
}

/** A process, as far as its owner needs to be known. */
export interface ProcessFacts {
  /** Name of the executable's file. */
  readonly executable: string;
  /** Paths of its cgroups in every hierarchy, the v2 one first. */
  readonly cgroupPaths: readonly string[];
}

/** Told by sources of endpoints that were given in an answer before. */
export interface EndpointNews {
  /** More, or something else, is known of it now. */
  updated(identity: Identity): void;
  /** It is over. @param timeNs when it ended, nanoseconds since the epoch */
  ended(id: bigint, timeNs: bigint): void;
}

/** What became of a cgroup: it was there before anybody watched, or it was made or removed just now. */
export type CgroupChange = 'there' | 'made' | 'removed';

/** A service, whose addresses are dialled and are nobody's own. */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
  /** Of its ports the one that was dialled, as its spec has it; 0 if the address alone told. */
  readonly port: number;
}

/** Knows the services whose backends are chosen on this machine, and those that were until lately. */
export interface BalancedServices {
  /** @param id as the kernel has it: `service_choice.service_id` */
  nameOf(id: bigint): ServiceName | undefined;
}

/** None is balanced here. */
export const NONE_BALANCED: BalancedServices = { nameOf: () => undefined };

/** Answer about an address that is the source's, though at that time nobody can be told to have had it. */
export const NOBODY_SURE = 'nobody_sure';

/**
 * A place that knows endpoints: the local machine, a Kubernetes API server. Sources are asked in order, the first that
 * knows wins. Every answer is from memory and at once; what is learned later is told through `changed`.
 */
export interface IdentitySource {
  readonly name: string;
  /** Whether an address has owners that change: such answers hold for their time only and are not kept. */
  readonly dated?: boolean;
  /**
   * Begins to learn.
   * @param changed called when answers given before may be different now
   * @param news told of endpoints that stay who they are
   */
  start(changed: () => void, news?: EndpointNews): Promise<void>;
  close(): void;
  /**
   * A cgroup began or ended here. Those of one moment are told in any order.
   * @param path below the v2 mount
   * @param timeNs of the kernel's event, nanoseconds since the epoch; 0 of what was there
   */
  cgroup?(path: string, change: CgroupChange, timeNs: bigint): void;
  /** Who lives in a cgroup; `process` if each of its processes is an endpoint of its own. Undefined: not known here. */
  ofCgroup(path: string): Identity | 'process' | undefined;
  /** Who a process is whose cgroup does not tell. */
  ofProcess(cgroupPath: string, process: ProcessFacts): Identity | undefined;
  /**
   * Who is reached at an address that belongs to no socket on this machine.
   * @param address 16 bytes, IPv4 as v4-mapped; not kept
   * @param timeMs wall-clock time of the event, milliseconds since the epoch and parts of them
   */
  ofAddress(address: Uint8Array, timeMs: number): Identity | typeof NOBODY_SURE | undefined;
  /**
   * The service that is dialled at an address; asked once per connection.
   * @param protocol 6 TCP, 17 UDP
   * @param address 16 bytes, IPv4 as v4-mapped; not kept
   * @param isHere whether the address is this machine's own, at which services may have ports
   */
  dialled?(protocol: number, address: Uint8Array, port: number, isHere: boolean): ServiceName | undefined;
}

/**
 * Endpoint id: the first eight bytes of SHA-256 over the kind and what identifies it, little-endian. Never 0, never made
 * of a pid or a display name.
 */
export function endpointId(kind: EndpointKind, ...parts: readonly string[]): bigint {
  const id = createHash('sha256')
    .update(['flowspan', kind, ...parts].join('\0'))
    .digest()
    .readBigUInt64LE();
  return id === 0n ? 1n : id;
}
