/**
 * What policies speak of: the keys of labels and the ranges of addresses. Ends that differ in nothing else are judged
 * alike and share their entries.
 */
import { ENTITY, keys } from './labels.ts';
import type { PolicyModel } from './model.ts';
import { ALL, cut, keyOfPrefix, type Prefix } from './prefix.ts';
import type { Labels } from './selector.ts';

export interface Vocabulary {
  readonly keys: ReadonlySet<string>;
  /** By key; all addresses of each family are among them. */
  readonly prefixes: ReadonlyMap<string, Prefix>;
  /** Lengths that occur among them, longest first. */
  readonly lengths: readonly number[];
}

export function vocabularyOf({ policies }: PolicyModel): Vocabulary {
  const words = new Set<string>([ENTITY]);
  const prefixes = new Map<string, Prefix>();
  const add = (prefix: Prefix) => prefixes.set(keyOfPrefix(prefix), prefix);
  for (const { subject, rules } of policies) {
    for (const { key } of subject) words.add(key);
    for (const { peers = [], ports = [] } of rules) {
      for (const match of ports) if ('name' in match) words.add(keys.port(match.name));
      for (const peer of peers) {
        if ('labels' in peer) for (const { key } of peer.labels) words.add(key);
        else for (const prefix of [peer.network, ...peer.except]) add(prefix);
      }
    }
  }
  add(ALL[4]);
  add(ALL[6]);
  const lengths = new Set(Array.from(prefixes.values(), ({ length }) => length));
  return { keys: words, prefixes, lengths: [...lengths].sort((a, b) => b - a) };
}

/** Those labels that a policy speaks of, in one order. */
export function spokenOf({ keys: words }: Vocabulary, labels: Labels): Labels {
  const kept = [...labels].filter(([key]) => words.has(key));
  return new Map(kept.sort(([a], [b]) => Number(a > b) - Number(a < b)));
}

/** The longest range a policy speaks of that covers another range. */
export function longestOver({ prefixes, lengths }: Vocabulary, prefix: Prefix): Prefix {
  for (const length of lengths) {
    const found = length <= prefix.length && prefixes.get(keyOfPrefix(cut(prefix, length)));
    if (found) return found;
  }
  return ALL[prefix.family];
}
