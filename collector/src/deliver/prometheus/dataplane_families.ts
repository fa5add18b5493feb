/** What the collector tells of its data plane: whether it has it, and what of it is attached. */
import type { DataplaneProgramStatus } from '../../attach/dataplane/load.ts';
import { STEPS } from '../../config_dataplane.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { FamilyInfo } from './edge_family.ts';
import { samplesOf } from './self_families.ts';

/** `holder` has the data plane, `standby` waits until its holder is gone, `none` wants none. */
export type DataplaneRole = 'holder' | 'standby' | 'none';
const ROLES: readonly DataplaneRole[] = ['holder', 'standby', 'none'];

const ROLE: FamilyInfo = {
  name: 'flowspan_dataplane_role',
  type: 'gauge',
  unit: 'boolean',
  help: 'What this collector is to the data plane of its machine: 1 for its role, 0 for the others. Unit: boolean.',
  labels: ['role'],
};
const ATTACHED: FamilyInfo = {
  name: 'flowspan_dataplane_programs',
  type: 'gauge',
  unit: 'programs',
  help: 'Programs of the data plane that are attached, or ready to run, by step. Unit: programs.',
  labels: ['step'],
};
const LACKING: FamilyInfo = {
  name: 'flowspan_dataplane_programs_lacking',
  type: 'gauge',
  unit: 'programs',
  help: 'Programs of the steps that are wanted which are not attached. Unit: programs.',
  labels: ['step'],
};

/** Published names. */
export const DATAPLANE_INFOS: readonly FamilyInfo[] = [ROLE, ATTACHED, LACKING];

export function* dataplaneFamilies(
  role: DataplaneRole,
  programs: readonly Pick<DataplaneProgramStatus, 'step' | 'attached'>[],
): Generator<Family> {
  const count = (isAttached: boolean) =>
    STEPS.map((step): [string[], number] => [
      [step],
      programs.filter((program) => program.step === step && program.attached === isAttached).length,
    ]);
  yield {
    ...ROLE,
    samples: samplesOf(
      ROLE,
      ROLES.map((one) => [[one], one === role ? 1 : 0]),
    ),
  };
  yield { ...ATTACHED, samples: samplesOf(ATTACHED, count(true)) };
  yield { ...LACKING, samples: samplesOf(LACKING, count(false)) };
}
