/** The data plane on a kernel: which of its programs it takes, and whether they can be attached to a cgroup. */
import { type BpfObject, isNativeError } from '../../../collector/native/addon.ts';
import { DATAPLANE_PROGRAMS } from '../../../collector/src/attach/dataplane/programs.ts';
import { loadPossible, refusedBeforeLoad } from '../../../collector/src/attach/load_object.ts';
import type { ProgramReport } from './report.ts';

const objectPath = new URL('../../../build/bpf/dataplane.bpf.o', import.meta.url).pathname;

/** Loads all, attaches what goes to a cgroup or a map, and closes everything again. */
export function tryDataplane(cgroup: string): ProgramReport[] {
  const wanted = DATAPLANE_PROGRAMS.map((program) => ({ ...program, required: false }));
  const refused = refusedBeforeLoad({ objectPath }, wanted);
  const object = loadPossible({ objectPath }, wanted, refused);
  try {
    const costs = new Map(object.programStats().map((stats) => [stats.name, stats.verifiedInstructions]));
    return DATAPLANE_PROGRAMS.map(({ name, kind, map }) => {
      const reason = refused.get(name) ?? reasonNot(object, name, kind === 'cgroup' ? cgroup : undefined, map);
      return { name, attached: reason === '', reason, verifiedInstructions: costs.get(name) ?? 0 };
    });
  } finally {
    object.close();
  }
}

/** Why it cannot be attached; empty if it can. */
function reasonNot(object: BpfObject, name: string, cgroup: string | undefined, map: string | undefined): string {
  try {
    if (cgroup !== undefined) object.attachCgroup(name, cgroup);
    if (map !== undefined) object.attachMap(name, map);
    return '';
  } catch (error) {
    if (!isNativeError(error)) throw error;
    return error.message;
  }
}
