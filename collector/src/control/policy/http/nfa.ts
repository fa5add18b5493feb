/** Syntax trees as one non-deterministic automaton over bytes (Thompson's construction). */
import { PatternError } from './pattern_error.ts';
import type { Assertion, Tree } from './syntax_tree.ts';
import { byteSequences } from './utf8.ts';

/** Most nodes of one pattern: what its repetitions and its classes of code points come to. */
const NODES_MAX = 50_000;

export type Node =
  | { readonly kind: 'byte'; readonly first: number; readonly last: number; readonly out: number }
  /** Goes on at all of them without reading a byte. */
  | { readonly kind: 'split'; outs: readonly number[] }
  | { readonly kind: 'assertion'; readonly assertion: Assertion; readonly out: number }
  /** The pattern of this index has matched if the text is over. */
  | { readonly kind: 'match'; readonly pattern: number };

/** One automaton of many patterns. */
export class Nfa {
  readonly nodes: Node[] = [];
  /** Where each pattern begins. */
  readonly starts: number[] = [];
  #limit = 0;
  #pattern = '';

  /** @throws PatternError if the pattern comes to too many nodes */
  add(tree: Tree, pattern: string): void {
    this.#limit = this.nodes.length + NODES_MAX;
    this.#pattern = pattern;
    this.starts.push(this.#build(tree, this.#node({ kind: 'match', pattern: this.starts.length })));
  }

  #node(node: Node): number {
    if (this.nodes.length >= this.#limit) {
      const cause = `its repetitions come to more than ${NODES_MAX} states`;
      throw new PatternError('PatternTooLarge', this.#pattern, undefined, cause, 'repeat less often, or write *');
    }
    return this.nodes.push(node) - 1;
  }

  /** @param out where to go on behind it  @returns where it begins */
  #build(tree: Tree, out: number): number {
    switch (tree.kind) {
      case 'runes':
        return this.#runes(tree, out);
      case 'any byte':
        return this.#node({ kind: 'byte', first: 0, last: 255, out });
      case 'assertion':
        return this.#node({ kind: 'assertion', assertion: tree.assertion, out });
      case 'sequence':
        return tree.parts.reduceRight((next, part) => this.#build(part, next), out);
      case 'choice':
        return this.#node({ kind: 'split', outs: tree.parts.map((part) => this.#build(part, out)) });
      case 'repeat':
        return this.#repeat(tree, out);
    }
  }

  #repeat({ part, least, most }: Tree & { readonly kind: 'repeat' }, out: number): number {
    let start = out;
    if (most === Infinity) {
      const loop: Node = { kind: 'split', outs: [] };
      start = this.#node(loop);
      loop.outs = [this.#build(part, start), out];
    } else {
      for (let count = least; count < most; count += 1)
        start = this.#node({ kind: 'split', outs: [this.#build(part, start), out] });
    }
    for (let count = 0; count < least; count += 1) start = this.#build(part, start);
    return start;
  }

  /** Sequences of a class end alike more often than not: their last bytes are shared. */
  #runes({ runes }: Tree & { readonly kind: 'runes' }, out: number): number {
    const made = new Map<string, number>();
    const outs: number[] = [];
    for (const sequence of byteSequences(runes))
      outs.push(
        sequence.reduceRight((next, [first, last]) => {
          const key = `${first} ${last} ${next}`;
          const node = made.get(key) ?? this.#node({ kind: 'byte', first, last, out: next });
          made.set(key, node);
          return node;
        }, out),
      );
    return outs.length === 1 && outs[0] !== undefined ? outs[0] : this.#node({ kind: 'split', outs });
  }
}
