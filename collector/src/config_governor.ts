import { flag, GiB, group, MiB, whole } from './config_fields.ts';

const MOST_MEMORY = 512 * MiB;
const LEAST_MEMORY = 64 * MiB;
/** Of what the process may take: its limit pays for kernel maps and rings as well. */
const SHARE_OF_LIMIT = 0.75;

/** @param limit of the process's cgroup, bytes; 0 if that is not known */
export function defaultMemoryBytes(limit: number): number {
  const most = limit > 0 ? Math.min(MOST_MEMORY, limit * SHARE_OF_LIMIT) : MOST_MEMORY;
  return Math.max(LEAST_MEMORY, Math.floor(most));
}

/** `collector.governor` */
export const GOVERNOR = group(
  {
    enabled: flag(true, {
      description: 'Whether detail is shed, with known weight and told, to stay within what follows.',
    }),
    cpu_percent: whole(80, 1, 1600, {
      unit: '%',
      description: 'Most processor time of the collector, in percent of one core.',
    }),
    memory_bytes: whole(defaultMemoryBytes(process.constrainedMemory() ?? 0), LEAST_MEMORY, 1024 * GiB, {
      unit: 'bytes',
      description:
        'Most resident memory of the collector, beyond which none more is taken for rows; by default 512 MiB, at most three quarters of what its cgroup allows.',
    }),
    noisy_cgroup_percent: whole(50, 1, 100, {
      unit: '%',
      description:
        'Share of the requests and TCP events seen at one end of connections, client or server, from which on one cgroup is throttled alone, when detail must be shed and other cgroups brought some too in the last minute; 100: none ever is.',
    }),
    slow_ms: whole(1000, 1, 3_600_000, {
      unit: 'ms',
      description: 'Requests that took this long are shed as late as those that failed.',
    }),
  },
  'How the collector stays within its budget.',
);
