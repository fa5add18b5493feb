/** `collector.governor` */
import { flag, GiB, group, MiB, whole } from './config_fields.ts';

export const GOVERNOR = group(
  {
    enabled: flag(true, {
      description: 'Whether detail is shed, with known weight and told, to stay within what follows.',
    }),
    cpu_percent: whole(80, 1, 1600, {
      unit: '%',
      description: 'Most processor time of the collector, in percent of one core.',
    }),
    memory_bytes: whole(512 * MiB, 64 * MiB, 1024 * GiB, {
      unit: 'bytes',
      description: 'Most resident memory of the collector.',
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
