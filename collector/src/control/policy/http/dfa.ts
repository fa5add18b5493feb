/** Many patterns as one deterministic automaton over bytes (subset construction), as small as it can be. */
import { type Automaton, minimised } from './automaton.ts';
import { Nfa, type Node } from './nfa.ts';
import type { Assertion, Tree } from './syntax_tree.ts';

export interface Dfa {
  readonly classOf: Uint8Array;
  readonly classes: number;
  /** Next state by state * classes + class; state 0 is the first. */
  readonly next: Uint32Array;
  /** Patterns that match a text that ends in a state, as bits by their index. */
  readonly accepts: readonly bigint[];
}

/** Most states before it is made smaller, and most nodes that all of their sets hold: bounds of time and memory. */
const STATES_MAX = 8_200;
const WORK_MAX = 1_000_000;

/** What stands on one side of a position, as far as assertions ask. `edge`: the text's begin or end. */
const KINDS = ['edge', 'word', 'line feed', 'other'] as const;
type Kind = (typeof KINDS)[number];

function kindOf(byte: number): Kind {
  if (byte === 10) return 'line feed';
  return /\w/.test(String.fromCharCode(byte)) ? 'word' : 'other';
}

function holds(assertion: Assertion, before: Kind, behind: Kind): boolean {
  switch (assertion) {
    case 'text begin':
      return before === 'edge';
    case 'text end':
      return behind === 'edge';
    case 'line begin':
      return before === 'edge' || before === 'line feed';
    case 'line end':
      return behind === 'edge' || behind === 'line feed';
    case 'word boundary':
      return (before === 'word') !== (behind === 'word');
    case 'no word boundary':
      return (before === 'word') === (behind === 'word');
  }
}

/** Bytes that no node, and no assertion, tells apart are of one class. */
function byteClasses(nodes: readonly Node[], asserts: boolean): { classOf: Uint8Array; first: number[] } {
  const begins = new Uint8Array(257);
  begins[0] = 1;
  for (const node of nodes)
    if (node.kind === 'byte') {
      begins[node.first] = 1;
      begins[node.last + 1] = 1;
    }
  if (asserts) for (let byte = 1; byte < 256; byte += 1) if (kindOf(byte) !== kindOf(byte - 1)) begins[byte] = 1;
  const classOf = new Uint8Array(256);
  const first: number[] = [];
  for (let byte = 0; byte < 256; byte += 1) {
    if (begins[byte] === 1) first.push(byte);
    classOf[byte] = first.length - 1;
  }
  return { classOf, first };
}

/** A set of nodes that wait to go on, and what stands before them. */
interface Subset {
  readonly nodes: readonly number[];
  readonly before: Kind;
}

class Construction {
  readonly #nodes: readonly Node[];
  readonly asserts: boolean;
  readonly #seen: Uint32Array;
  #round = 0;
  readonly #numbers = new Map<string, number>();
  readonly subsets: Subset[] = [];
  work = 0;

  constructor(nfa: Nfa) {
    this.#nodes = nfa.nodes;
    this.asserts = nfa.nodes.some((node) => node.kind === 'assertion');
    this.#seen = new Uint32Array(nfa.nodes.length);
    this.numberOf(nfa.starts, 'edge');
  }

  /** Of the state that stands for the set. */
  numberOf(nodes: readonly number[], before: Kind): number {
    const subset = {
      nodes: [...new Set(nodes)].sort((a, b) => a - b),
      before: this.asserts ? before : 'other',
    } as const;
    const key = `${subset.before} ${subset.nodes.join()}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.subsets.length);
    this.work += subset.nodes.length;
    return this.subsets.push(subset) - 1;
  }

  /** Nodes that read a byte, or match, and are reached from the set without reading one. */
  closure({ nodes, before }: Subset, behind: Kind): Node[] {
    this.#round += 1;
    const reached: Node[] = [];
    const waiting = [...nodes];
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (this.#seen[index] === this.#round) continue;
      this.#seen[index] = this.#round;
      this.work += 1;
      const node = this.#nodes[index]!;
      if (node.kind === 'split') waiting.push(...node.outs);
      else if (node.kind !== 'assertion') reached.push(node);
      else if (holds(node.assertion, before, behind)) waiting.push(node.out);
    }
    return reached;
  }
}

/** @returns undefined if it would be too large */
function subsetConstruction(nfa: Nfa): Automaton | undefined {
  const construction = new Construction(nfa);
  const { subsets, asserts } = construction;
  const { classOf, first } = byteClasses(nfa.nodes, asserts);
  const kinds = first.map((byte) => (asserts ? kindOf(byte) : 'other'));
  const next: number[] = [];
  const labels: string[] = [];
  for (let state = 0; state < subsets.length; state += 1) {
    if (subsets.length > STATES_MAX || construction.work > WORK_MAX) return undefined;
    const subset = subsets[state]!;
    const outs = first.map((): number[] => []);
    for (const kind of new Set(kinds))
      for (const node of construction.closure(subset, kind))
        if (node.kind === 'byte')
          for (let byte = classOf[node.first]!; byte <= classOf[node.last]!; byte += 1)
            if (kinds[byte] === kind) outs[byte]!.push(node.out);
    for (const [byte, out] of outs.entries()) next.push(construction.numberOf(out, kinds[byte]!));
    let accepted = 0n;
    for (const node of construction.closure(subset, 'edge'))
      if (node.kind === 'match') accepted |= 1n << BigInt(node.pattern);
    labels.push(`0x${accepted.toString(16)}`);
  }
  return { classOf, classes: first.length, next: Uint32Array.from(next), labels };
}

/** A pattern, parsed. */
export interface ParsedPattern {
  readonly pattern: string;
  readonly tree: Tree;
}

/**
 * One automaton that tells which of the patterns match the whole of a text.
 * @returns undefined if it would be too large
 * @throws PatternError if one of them alone comes to too many nodes
 */
export function dfaOf(patterns: readonly ParsedPattern[]): Dfa | undefined {
  const nfa = new Nfa();
  for (const { tree, pattern } of patterns) nfa.add(tree, pattern);
  const automaton = subsetConstruction(nfa);
  if (automaton === undefined) return undefined;
  const { labels, ...table } = minimised(automaton);
  return { ...table, accepts: labels.map(BigInt) };
}
