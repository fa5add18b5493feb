/**
 * What HTTP rules say of a request that was stored: as the kernel judges it, as far as the row tells. A word REDACTED
 * stands for anything that may have been there, and headers are not stored: where the verdict hangs on them it is not known.
 */

import { compileUnit } from '../../../collector/src/control/policy/http/compile.ts';
import { type Dfa, dfaOf } from '../../../collector/src/control/policy/http/dfa.ts';
import { begin, read } from '../../../collector/src/control/policy/http/judge.ts';
import { parsePattern } from '../../../collector/src/control/policy/http/parse_pattern.ts';
import { JUDGED } from '../../../collector/src/control/policy/http/verdict.ts';
import type { RuleOf } from '../../../collector/src/control/policy/judge.ts';
import type { HttpRule } from '../../../collector/src/control/policy/model.ts';
import { REDACTED } from '../../../collector/src/correlate/requests/redaction.ts';
import type { Word } from './judge.ts';

/** What a row tells of a request. */
export interface StoredRequest {
  readonly method: string;
  /** Empty: not known, or there was none. */
  readonly host: string;
  readonly path: string;
  readonly query: string;
  /** 10 or 11; 0 if not known. */
  readonly version: number;
  /** Whether method, target or host were longer than what is stored. */
  readonly isCut: boolean;
}

/** Why it is so; undefined for what rules allow or no rule allows. */
export type RequestReason = 'unjudged' | 'redacted' | 'headers' | 'cut' | 'method';

export interface RequestVerdict {
  readonly word: Word;
  readonly reason: RequestReason | undefined;
  /** The first rule that allows it. */
  readonly rule: RuleOf | undefined;
}

/** Bytes that may stand in place of a redacted word: no end of a segment or a value. */
const HIDDEN = Array.from({ length: 94 }, (_, index) => index + 33).filter(
  (byte) => !'/?#&;\\'.includes(String.fromCharCode(byte)),
);
const METHOD = /^[A-Z_-]+$/;
/** Stands for methods that are none of the known. */
const OTHER_METHOD = '_OTHER';

const DFAS = new Map<string, Dfa>();
const DFAS_MAX = 1_000;

/** @throws Error if the pattern is one that policies are refused for */
function dfaOfPattern(pattern: string, foldsCase: boolean): Dfa {
  const key = `${foldsCase} ${pattern}`;
  const known = DFAS.get(key) ?? dfaOf([{ pattern, tree: parsePattern(pattern, foldsCase) }]);
  if (known === undefined) throw new Error(`pattern ${pattern} has no automaton`);
  if (DFAS.size >= DFAS_MAX) DFAS.clear();
  DFAS.set(key, known);
  return known;
}

/** Whether a text with holes matches; undefined if that hangs on what was there. */
function matches(pattern: string | undefined, text: string, foldsCase = false): boolean | undefined {
  if (pattern === undefined || pattern === '') return true;
  const { next, classes, classOf, accepts } = dfaOfPattern(pattern, foldsCase);
  const step = (state: number, byte: number): number => next[state * classes + classOf[byte]!]!;
  let states = new Set([0]);
  for (const [index, part] of text.split(REDACTED).entries()) {
    if (index > 0) for (const state of states) for (const byte of HIDDEN) states.add(step(state, byte));
    for (const byte of Buffer.from(part, 'latin1')) states = new Set(Array.from(states, (state) => step(state, byte)));
  }
  const accepted = Array.from(states, (state) => accepts[state] !== 0n);
  return accepted.every((is) => is === accepted[0]) ? accepted[0] : undefined;
}

/** All that hold, one that does not, or not known. */
function every(each: readonly (boolean | undefined)[]): boolean | undefined {
  if (each.includes(false)) return false;
  return each.includes(undefined) ? undefined : true;
}

/** The path as nginx reads it; the kernel asks rules about both. */
function decodedTarget(path: string, query: string): string {
  const decoded = path.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return query === '' ? decoded : `${decoded}?${query}`;
}

const ANY_REQUEST = compileUnit([{}]);

/** Whether the kernel would judge such a head at all. */
function isJudged(target: string, { method, host, version }: StoredRequest): boolean {
  if (ANY_REQUEST === undefined) throw new Error('a rule that allows all has a table');
  const judgement = begin(ANY_REQUEST);
  const lines = [`${method} ${target} HTTP/1.${version === 10 ? 0 : 1}`, `host: ${host === '' ? 'unknown' : host}`];
  read(ANY_REQUEST, judgement, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
  return judgement.verdict === JUDGED.allowed;
}

const NOT_KNOWN = (reason: RequestReason): RequestVerdict => ({ word: 'unknown', reason, rule: undefined });

/** @param rules of which a request must match one */
export function judgeRequest(rules: readonly RuleOf[], request: StoredRequest): RequestVerdict {
  const { method, host, path, query, isCut } = request;
  if (isCut) return NOT_KNOWN('cut');
  if (method === OTHER_METHOD) return NOT_KNOWN('method');
  const target = query === '' ? path : `${path}?${query}`;
  if (!METHOD.test(method) || !isJudged(target, request))
    return { word: 'denied', reason: 'unjudged', rule: undefined };
  const decoded = decodedTarget(path, query);
  const withoutHeaders = ({ method: methods, path: paths, host: hosts }: HttpRule) =>
    every([
      matches(methods, method),
      every([matches(paths, target), matches(paths, decoded)]),
      host === '' && hosts !== undefined ? undefined : matches(hosts, host, true),
    ]);
  let doubt: RequestReason | undefined;
  for (const one of rules)
    for (const rule of one.rule.http ?? []) {
      const is = withoutHeaders(rule);
      if (is === true && rule.headers.length === 0) return { word: 'allowed', reason: undefined, rule: one };
      if (is === true) doubt = 'headers';
      else if (is === undefined) doubt ??= 'redacted';
    }
  return doubt === undefined ? { word: 'denied', reason: undefined, rule: undefined } : NOT_KNOWN(doubt);
}
