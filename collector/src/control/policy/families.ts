/** What /metrics tells of policies. Refusals are the kernel's counters: they go on over restarts of the collector. */
import { ENUMS } from '../../../../bpf/dataplane/refuse.gen.ts';
import type { FamilyInfo } from '../../deliver/prometheus/edge_family.ts';
import { samplesOf } from '../../deliver/prometheus/self_families.ts';
import type { Family } from '../../telemetry/metrics_text.ts';

/** How the policies stand. */
export interface PolicyStatus {
  /** Policies in force, by kind. */
  readonly objects: ReadonlyMap<string, number>;
  /** Entries in the kernel's tables, by table. */
  readonly entries: Readonly<Record<string, number>>;
  /** Verdicts told, by word. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Verdicts that were not counted, for want of room. */
  readonly lost: number;
  /** What became of packets that were refused: the map refuse_counters, by enum refuse_counter. */
  refusals(counter: number): number;
  /** Sets of tables that were written. */
  readonly written: number;
  /** What the last set took: to compile, and to write into the kernel; seconds. */
  readonly compileSeconds: number;
  readonly writeSeconds: number;
  /** Whether what is written is in force: the last set could be compiled and written. */
  readonly isCurrent: boolean;
}

type Samples = (status: PolicyStatus) => [string[], number][];

const family = (
  type: FamilyInfo['type'],
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  samples: Samples,
): { readonly info: FamilyInfo; readonly samples: Samples } => ({
  info: { name: `flowspan_policy_${name}`, type, unit, help: `${help} Unit: ${unit}.`, labels },
  samples,
});

const ofWords = (words: Readonly<Record<string, number>>): [string[], number][] =>
  Object.entries(words).map(([word, count]) => [[word], count]);

const { refuse_counter: REFUSED } = ENUMS;

const ALL = [
  family('gauge', 'objects', 'objects', 'Policies in force.', ['kind'], ({ objects }) =>
    Array.from(objects, ([kind, count]) => [[kind], count]),
  ),
  family('gauge', 'table_entries', 'entries', "Entries of the kernel's tables.", ['table'], ({ entries }) =>
    ofWords(entries),
  ),
  family(
    'counter',
    'verdicts_total',
    'verdicts',
    'Verdicts on what pods of this node began and were sent.',
    ['verdict'],
    ({ verdicts }) => ofWords(verdicts),
  ),
  family(
    ...([
      'counter',
      'verdicts_lost_total',
      'verdicts',
      'Verdicts of which no row tells: too many kinds at once.',
    ] as const),
    [],
    ({ lost }) => [[[], lost]],
  ),
  family(
    ...(['counter', 'refusals_total', 'packets'] as const),
    'Requests that were refused, by what became of them: forbidden, told 403; forbidden_again, since that was lost; reset, connections; dropped, packets without an answer.',
    ['outcome'],
    ({ refusals }) => [
      [['forbidden'], refusals(REFUSED.forbidden)],
      [['forbidden_again'], refusals(REFUSED.forbidden_again)],
      [['reset'], refusals(REFUSED.reset)],
      [['dropped'], refusals(REFUSED.dropped)],
    ],
  ),
  family('counter', 'tables_written_total', 'sets', 'Sets of tables that were written.', [], ({ written }) => [
    [[], written],
  ]),
  family('gauge', 'compile_seconds', 'seconds', 'Time that the last set of tables took to compile.', [], (status) => [
    [[], status.compileSeconds],
  ]),
  family('gauge', 'write_seconds', 'seconds', 'Time that the last set of tables took to write.', [], (status) => [
    [[], status.writeSeconds],
  ]),
  family(
    ...(['gauge', 'current', 'boolean', 'Whether the policies are in force as they are accepted: 1, or 0.'] as const),
    [],
    ({ isCurrent }) => [[[], isCurrent ? 1 : 0]],
  ),
] as const;

/** Published names; where no policies are wanted they have no series. */
export const POLICY_INFOS: readonly FamilyInfo[] = ALL.map(({ info }) => info);

export function* policyFamilies(status: PolicyStatus): Generator<Family> {
  for (const { info, samples } of ALL) yield { ...info, samples: samplesOf(info, samples(status)) };
}
