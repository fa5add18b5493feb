/** What the parts of the data plane tell. Names are published whether or not a part is there: then they have no series. */
import { POLICY_INFOS } from '../../control/policy/families.ts';
import { REDIRECT_INFOS } from '../../control/redirect/families.ts';
import { SERVICE_INFOS } from '../../control/services/families.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { FamilyInfo } from './edge_family.ts';

/** Published names of all parts. */
export const PART_INFOS: readonly FamilyInfo[] = [...SERVICE_INFOS, ...POLICY_INFOS, ...REDIRECT_INFOS];

/** @param told what the parts that are there say */
export function* partFamilies(told: Iterable<Family>): Generator<Family> {
  const absent = new Map(PART_INFOS.map((info) => [info.name, info]));
  for (const family of told) {
    absent.delete(family.name);
    yield family;
  }
  for (const info of absent.values()) yield { ...info, samples: [] };
}
