/** What the collector tells of load balancing on /metrics. */
import { ENUMS } from '../../../../bpf/wire/events.gen.ts';
import type { FamilyInfo } from '../../deliver/prometheus/edge_family.ts';
import { samplesOf } from '../../deliver/prometheus/self_families.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { Capacity } from './compile.ts';

const CHOICES: FamilyInfo = {
  name: 'flowspan_service_choices_total',
  type: 'counter',
  unit: 'choices',
  help: 'Choices of a backend by reason, refusals among them; of datagrams one for each new peer of a socket. mode: whether they were applied. Unit: choices.',
  labels: ['reason', 'mode'],
};
const ENTRIES: FamilyInfo = {
  name: 'flowspan_service_entries',
  type: 'gauge',
  unit: 'entries',
  help: "Entries of load balancing's maps that are in use. Unit: entries.",
  labels: ['map'],
};
const ROOM: FamilyInfo = {
  name: 'flowspan_service_entries_limit',
  type: 'gauge',
  unit: 'entries',
  help: "Entries that load balancing's maps have room for. Unit: entries.",
  labels: ['map'],
};

/** Published names; where nothing is balanced they have no series. */
export const SERVICE_INFOS: readonly FamilyInfo[] = [CHOICES, ENTRIES, ROOM];

/** As `service_choice_counters` has them, those of services in audit behind the others. */
const MODES = ['enforce', 'audit'] as const;
const REASONS = Object.entries(ENUMS.lb_reason);

const entries = ({ services, slots, backends, frontends }: Capacity): [string[], number][] => [
  [['services'], services],
  [['service_slots'], slots],
  [['service_backends'], backends],
  [['service_frontends'], frontends],
];

/**
 * @param choices so far, by index in `service_choice_counters`
 * @param used undefined until the maps are filled
 */
export function* serviceFamilies(
  choices: (index: number) => number,
  used: Capacity | undefined,
  room: Capacity,
): Generator<Family> {
  const chosen = MODES.flatMap((mode, place) =>
    REASONS.filter(([reason]) => reason !== 'none').map(([reason, number]): [string[], number] => [
      [reason, mode],
      choices(place * REASONS.length + number),
    ]),
  );
  yield { ...CHOICES, samples: samplesOf(CHOICES, chosen) };
  yield { ...ENTRIES, samples: samplesOf(ENTRIES, used === undefined ? [] : entries(used)) };
  yield { ...ROOM, samples: samplesOf(ROOM, entries(room)) };
}
