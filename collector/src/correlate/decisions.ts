/** Which policy's rule decided about a connection, as rows have it. */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import { rowText } from '../deliver/text.ts';

/** A rule that decided; its texts are RowBinary Strings. */
export interface DecidedBy {
  readonly kind: Uint8Array;
  readonly namespace: Uint8Array;
  readonly name: Uint8Array;
  /** Place of the rule in its policy, from 0; -1: none of its rules did. */
  readonly ruleIndex: number;
}

/** No policy decided. */
export const NOBODY: DecidedBy = { kind: rowText(''), namespace: rowText(''), name: rowText(''), ruleIndex: -1 };

/** Knows the decisions of the policies in force, and of those that were until lately. */
export interface Decisions {
  /**
   * Asked for each row that was judged: answered from memory, without making anything.
   * @param generation the set of tables, never 0
   * @param decision its number there; 0xffffffff: none
   * @returns NOBODY if it is not known
   */
  decidedBy(generation: number, decision: number): DecidedBy;
}

/** No policy is loaded. */
export const NO_DECISIONS: Decisions = { decidedBy: () => NOBODY };

/** Who decided about the connection of a record. */
export function decidedBy(decisions: Decisions, view: DataView, record: number): DecidedBy {
  const generation = view.getUint32(record + F.policy_generation, true);
  if (generation === 0) return NOBODY;
  return decisions.decidedBy(generation, view.getUint32(record + F.policy_decision, true));
}
