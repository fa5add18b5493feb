/** What the collector tells of its directory of manifests. */
import type { ManifestStatus } from '../../control/manifests/source.ts';
import { KINDS } from '../../control/objects/kinds.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { FamilyInfo } from './edge_family.ts';
import { samplesOf } from './self_families.ts';

interface ManifestFamily {
  readonly info: FamilyInfo;
  readonly samples: (status: ManifestStatus) => [string[], number][];
}

const family = (
  type: FamilyInfo['type'],
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  samples: ManifestFamily['samples'],
): ManifestFamily => ({
  info: { name: `flowspan_manifests_${name}`, type, unit, help: `${help} Unit: ${unit}.`, labels },
  samples,
});

const ALL: readonly ManifestFamily[] = [
  family('gauge', 'objects', 'objects', 'Objects of the directory that are in use.', ['kind'], ({ objects }) =>
    KINDS.map(({ kind }) => [[kind], objects.get(kind) ?? 0]),
  ),
  family(
    ...(['gauge', 'refused', 'objects', 'Files and objects that are not in use as they are written now.', []] as const),
    ({ refused }) => [[[], refused]],
  ),
  family('counter', 'reads_total', 'reads', 'How often the directory was read.', [], ({ reads }) => [[[], reads]]),
  family(
    ...(['gauge', 'last_sound_timestamp_seconds', 'seconds'] as const),
    'When all of the directory was accepted last, since the epoch; 0 if it never was.',
    [],
    ({ lastSoundMs }) => [[[], lastSoundMs / 1000]],
  ),
];

/** Published names; without a directory they have no series. */
export const MANIFEST_INFOS: readonly FamilyInfo[] = ALL.map(({ info }) => info);

/** @param status undefined where there is no directory */
export function* manifestFamilies(status: ManifestStatus | undefined): Generator<Family> {
  for (const { info, samples } of ALL) {
    yield { ...info, samples: samplesOf(info, status === undefined ? [] : samples(status)) };
  }
}
