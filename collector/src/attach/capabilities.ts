/**
 * The rights of a collector: all it ever asks of the kernel. The check at the start, the systemd unit, the container and
 * the tests go by this list.
 */

/** One capability (capabilities(7)). */
export interface Capability {
  readonly name: `CAP_${string}`;
  /** Its bit in the kernel's sets (include/uapi/linux/capability.h). */
  readonly bit: number;
  /** Whether the collector refuses to start without it. */
  readonly required: boolean;
  /** What is lost without it, as a sentence without its end. */
  readonly missing: string;
}

/** In the order in which they are told. */
export const CAPABILITIES: readonly Capability[] = [
  {
    name: 'CAP_BPF',
    bit: 39,
    required: true,
    missing: 'everything: no map is made and no program is loaded',
  },
  {
    name: 'CAP_PERFMON',
    bit: 38,
    required: true,
    missing: 'everything: no program is loaded that reads kernel memory',
  },
  {
    name: 'CAP_NET_ADMIN',
    bit: 12,
    required: true,
    missing: 'everything: no program is attached to a cgroup, and connection tracking cannot be asked',
  },
  {
    name: 'CAP_SYS_PTRACE',
    bit: 19,
    required: false,
    missing:
      "executables of other users' processes: their command names stand for them; network namespaces, and with them who listens where",
  },
  {
    name: 'CAP_DAC_READ_SEARCH',
    bit: 2,
    required: false,
    missing:
      "who listens where among other users' processes: the other end stays an address until it was observed itself; and the names of containers",
  },
];

/** Includes what CAP_BPF and CAP_PERFMON were split from; never asked for. */
export const SYS_ADMIN = { name: 'CAP_SYS_ADMIN', bit: 21, includes: ['CAP_BPF', 'CAP_PERFMON'] } as const;
