/**
 * What can be told of rules before their table is made, which takes longer than whoever reads an object can wait: about
 * 10 ms a rule, where a table takes 50 ms to 2 s. A hostile object takes 3 s at most.
 */
import { demandsOf, FIELD_STATES_MAX, isRefusal, type RuleDemand } from './compile.ts';
import { type Dfa, dfaOf } from './dfa.ts';
import type { HttpRule, RuleRefusal } from './rules.ts';

/** Most states that the automata of an object's patterns come to, each by itself: a table has fewer rows. */
const STATES_MAX = 4 * FIELD_STATES_MAX;
const SLASH = 47;

/** Whether no text that begins with a slash can match: paths do. */
function matchesNoPath({ next, classes, classOf, accepts }: Dfa): boolean {
  const reached = new Set([next[classOf[SLASH]!]!]);
  for (const state of reached) {
    if (accepts[state] !== 0n) return false;
    for (const to of next.subarray(state * classes, (state + 1) * classes)) reached.add(to);
  }
  return true;
}

/** Checks the rules of one object, one after another. */
export class RuleCheck {
  #states = 0;

  /**
   * @param index of the rule, as it is told
   * @returns the first reason for which it is refused, or a doubt about what is taken all the same
   */
  check(rule: HttpRule, index: number): { refusal?: RuleRefusal; doubt?: RuleRefusal } {
    const found = demandsOf(rule);
    const refusal = found.find(isRefusal);
    if (refusal !== undefined) return { refusal: { ...refusal, rule: index } };
    let doubt: RuleRefusal | undefined;
    for (const demand of found as RuleDemand[]) {
      const { of, field, pattern } = demand;
      const told = (reason: string, cause: string, next: string): RuleRefusal => {
        return { rule: index, field, reason, message: `pattern ${JSON.stringify(pattern)} ${cause}: ${next}` };
      };
      const dfa = dfaOf([demand]);
      const states = dfa?.accepts.length ?? Infinity;
      this.#states += states;
      if (dfa === undefined || states > FIELD_STATES_MAX || this.#states > STATES_MAX) {
        const isAlone = states > FIELD_STATES_MAX;
        const cause = isAlone
          ? `comes to more than ${FIELD_STATES_MAX} states`
          : `and those before it come to more than ${STATES_MAX} states`;
        const next = 'repeat less often, or write [!-~] where a dot or a class stands for more than ASCII';
        return { refusal: told(isAlone ? 'PatternTooLarge' : 'RulesTooLarge', cause, next) };
      }
      if (of === 'target' && matchesNoPath(dfa))
        doubt = told(
          'PathNeverMatches',
          'matches no path, which begins with a slash, so that the rule allows no request',
          'begin it with / or .*',
        );
    }
    return doubt === undefined ? {} : { doubt };
  }
}
