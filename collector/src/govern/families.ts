/** What Prometheus is told of the governor. */
import { SHED_REASONS } from '../../../store/loss_reasons.ts';
import type { FamilyInfo } from '../deliver/prometheus/edge_family.ts';
import { samplesOf } from '../deliver/prometheus/self_families.ts';
import type { Family } from '../telemetry/metrics_text.ts';
import type { Governor } from './governor.ts';
import { SHED_KINDS, type ShedRecords } from './shed_records.ts';

const LEVEL: FamilyInfo = {
  name: 'flowspan_governor_level',
  type: 'gauge',
  unit: 'level',
  help: 'How much detail is shed to stay within collector.governor: 0 is none. Unit: level.',
  labels: [],
};
const THROTTLED: FamilyInfo = {
  name: 'flowspan_governor_throttled_cgroups',
  type: 'gauge',
  unit: 'cgroups',
  help: 'Noisy cgroups of which the kernel writes fewer records. Unit: cgroups.',
  labels: [],
};
const SHED: FamilyInfo = {
  name: 'flowspan_governor_shed_records_total',
  type: 'counter',
  unit: 'records',
  help: 'Records that were counted and got no row of their own on purpose: of all (governor), or of a noisy cgroup. Unit: records.',
  labels: ['kind', 'reason'],
};

/** Published names. */
export const GOVERNOR_INFOS: readonly FamilyInfo[] = [LEVEL, THROTTLED, SHED];

export function* governorFamilies(
  governor: Pick<Governor, 'level' | 'throttledCgroups'>,
  shed: ShedRecords,
): Generator<Family> {
  yield { ...LEVEL, samples: samplesOf(LEVEL, [[[], governor.level]]) };
  yield { ...THROTTLED, samples: samplesOf(THROTTLED, [[[], governor.throttledCgroups]]) };
  const rows = SHED_KINDS.flatMap((kind) =>
    SHED_REASONS.map((reason) => [[kind, reason], shed[kind][reason]] as const),
  );
  yield { ...SHED, samples: samplesOf(SHED, rows) };
}
