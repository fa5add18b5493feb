/** Who an endpoint is, and where that is known from. */
import { createHash } from 'node:crypto';

/** What an endpoint can be; see table `endpoints`. */
export type EndpointKind = 'pod' | 'unit' | 'container' | 'session' | 'process' | 'node' | 'outside';

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
}

/** A process, as far as its owner needs to be known. */
export interface ProcessFacts {
  /** Name of the executable's file. */
  readonly executable: string;
  /** Paths of its cgroups in every hierarchy, the v2 one first. */
  readonly cgroupPaths: readonly string[];
}

/**
 * A place that knows endpoints: the local machine, a Kubernetes API server. Sources are asked in order, the first that
 * knows wins. Every answer is from memory and at once; what is learned later is told through `changed`.
 */
export interface IdentitySource {
  readonly name: string;
  /** Begins to learn. @param changed called when answers given before may be different now */
  start(changed: () => void): Promise<void>;
  close(): void;
  /** Who lives in a cgroup; `process` if each of its processes is an endpoint of its own. Undefined: not known here. */
  ofCgroup(path: string): Identity | 'process' | undefined;
  /** Who a process is whose cgroup does not tell. */
  ofProcess(cgroupPath: string, process: ProcessFacts): Identity | undefined;
  /**
   * Who is reached at an address that belongs to no socket on this machine.
   * @param address 16 bytes, IPv4 as v4-mapped; not kept
   * @param timeNs wall-clock time of the event, nanoseconds since the epoch
   */
  ofAddress(address: Uint8Array, timeNs: bigint): Identity | undefined;
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
