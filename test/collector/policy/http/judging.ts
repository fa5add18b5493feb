/** Heads as a policy's rules judge them. */
import { type Compiled, compileRules } from '../../../../collector/src/control/policy/http/compile.ts';
import { begin, read } from '../../../../collector/src/control/policy/http/judge.ts';
import type { HttpRule } from '../../../../collector/src/control/policy/http/rules.ts';
import { JUDGED, UNJUDGED } from '../../../../collector/src/control/policy/http/verdict.ts';

const WHY = Object.keys(UNJUDGED);

/** `allowed by 0 2`, `denied`, `unjudged: host`, or `goes on`. */
export type Said = string;

export function said(verdict: number, why: number, rules: readonly number[]): Said {
  if (verdict === JUDGED.none) return 'goes on';
  if (verdict === JUDGED.unjudged) return `unjudged: ${WHY[why]}`;
  return verdict === JUDGED.allowed ? `allowed by ${rules.join(' ')}` : 'denied';
}

export const bitsOf = (rules: bigint, first = 0): number[] =>
  Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => (rules >> BigInt(bit)) % 2n === 1n)
    .map((bit) => first + bit);

export function compiledRules(rules: readonly HttpRule[]): Compiled {
  const compiled = compileRules(rules);
  if (compiled.refusals.length > 0) throw new Error(JSON.stringify(compiled.refusals));
  return compiled;
}

/** Says what all units together say, which must agree on what is not judged. */
export function judge({ units }: Compiled, pieces: readonly Uint8Array[]): { said: Said; bytes: number } {
  const each = units.map(({ unit, first }) => {
    const judgement = begin(unit);
    for (const piece of pieces) read(unit, judgement, piece);
    return { ...judgement, rules: judgement.verdict === JUDGED.allowed ? bitsOf(judgement.rules, first) : [] };
  });
  const worst = each.toSorted((a, b) => b.verdict - a.verdict)[0]!;
  const rules = each.flatMap((one) => one.rules);
  const verdict = rules.length > 0 && worst.verdict !== JUDGED.unjudged ? JUDGED.allowed : worst.verdict;
  return { said: said(verdict, worst.why, rules), bytes: worst.bytes };
}

export const judged = (compiled: Compiled, head: string): Said => judge(compiled, [Buffer.from(head, 'latin1')]).said;
