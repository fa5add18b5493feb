/** Deterministic automata as tables, and the smallest one that does the same (Hopcroft's algorithm). */

/** State 0 is where it begins. */
export interface Automaton {
  /** Class of each byte: 256 of them. Bytes of a class are never told apart. */
  readonly classOf: Uint8Array;
  readonly classes: number;
  /** Next state by state * classes + class. */
  readonly next: Uint32Array;
  /** What each state stands for; states of other labels are never merged. */
  readonly labels: readonly string[];
}

/** Numbers states, and classes, in the order in which the automaton meets them: the same language, the same table. */
function renumbered(automaton: Automaton, blockOf: Uint32Array): Automaton {
  const { classes, next, labels } = automaton;
  const members: number[] = [];
  const numbers = new Map<number, number>();
  const numberOf = (state: number): number => {
    const block = blockOf[state]!;
    const known = numbers.get(block);
    if (known !== undefined) return known;
    numbers.set(block, members.length);
    return members.push(state) - 1;
  };
  numberOf(0);
  const rows: number[][] = [];
  for (let index = 0; index < members.length; index += 1)
    rows.push(Array.from({ length: classes }, (_, byte) => numberOf(next[members[index]! * classes + byte]!)));

  const columns = new Map<string, number>();
  const kept: number[] = [];
  const classOf = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    const column = automaton.classOf[byte]!;
    const key = rows.map((row) => row[column]).join();
    if (!columns.has(key)) columns.set(key, kept.push(column) - 1);
    classOf[byte] = columns.get(key)!;
  }
  return {
    classOf,
    classes: kept.length,
    next: Uint32Array.from(rows.flatMap((row) => kept.map((column) => row[column]!))),
    labels: members.map((state) => labels[state]!),
  };
}

/** Sets of states that are refined: each is a run of `states`. */
class Partition {
  readonly blockOf: Uint32Array;
  readonly #states: Uint32Array;
  readonly #places: Uint32Array;
  readonly #firsts: number[] = [];
  readonly #sizes: number[] = [];
  /** States of a block that were marked, which stand at its begin. */
  readonly #marked: number[] = [];

  constructor(labels: readonly string[]) {
    const groups = new Map<string, number[]>();
    for (const [state, label] of labels.entries()) {
      const group = groups.get(label);
      if (group === undefined) groups.set(label, [state]);
      else group.push(state);
    }
    this.#states = Uint32Array.from([...groups.values()].flat());
    this.#places = new Uint32Array(labels.length);
    this.blockOf = new Uint32Array(labels.length);
    for (const [place, state] of this.#states.entries()) this.#places[state] = place;
    let first = 0;
    for (const group of groups.values()) {
      for (const state of group) this.blockOf[state] = this.#firsts.length;
      this.#add(first, group.length);
      first += group.length;
    }
  }

  get blocks(): number {
    return this.#firsts.length;
  }

  size(block: number): number {
    return this.#sizes[block]!;
  }

  members(block: number): Uint32Array {
    return this.#states.slice(this.#firsts[block]!, this.#firsts[block]! + this.#sizes[block]!);
  }

  #add(first: number, size: number): void {
    this.#firsts.push(first);
    this.#sizes.push(size);
    this.#marked.push(0);
  }

  /** @returns true if it is the first of its block */
  mark(state: number): boolean {
    const block = this.blockOf[state]!;
    const place = this.#places[state]!;
    const to = this.#firsts[block]! + this.#marked[block]!;
    if (place < to) return false;
    const other = this.#states[to]!;
    this.#states[to] = state;
    this.#states[place] = other;
    this.#places[state] = to;
    this.#places[other] = place;
    this.#marked[block]! += 1;
    return this.#marked[block] === 1;
  }

  /** Splits what was marked off. @returns the new block, if some of the block were not marked */
  split(block: number): number | undefined {
    const marked = this.#marked[block]!;
    this.#marked[block] = 0;
    if (marked === this.#sizes[block]) return undefined;
    const first = this.#firsts[block]!;
    const added = this.blocks;
    this.#add(first, marked);
    this.#firsts[block] = first + marked;
    this.#sizes[block]! -= marked;
    for (let place = first; place < first + marked; place += 1) this.blockOf[this.#states[place]!] = added;
    return added;
  }
}

/** States that go to each state by each class: lists of them by class * states + state. */
function predecessors({ classes, next, labels }: Automaton): { firsts: Uint32Array; states: Uint32Array } {
  const count = labels.length;
  const firsts = new Uint32Array(classes * count + 1);
  for (const [index, to] of next.entries()) firsts[(index % classes) * count + to + 1]! += 1;
  for (let index = 1; index < firsts.length; index += 1) firsts[index]! += firsts[index - 1]!;
  const filled = firsts.slice();
  const states = new Uint32Array(next.length);
  for (const [index, to] of next.entries()) {
    const list = (index % classes) * count + to;
    states[filled[list]!] = Math.floor(index / classes);
    filled[list]! += 1;
  }
  return { firsts, states };
}

/** The smallest automaton of the same labels, with the fewest classes. The same for whatever order it was built in. */
export function minimised(automaton: Automaton): Automaton {
  const { classes, labels } = automaton;
  const { firsts, states } = predecessors(automaton);
  const partition = new Partition(labels);
  const waiting: { block: number; byte: number }[] = [];
  const isWaiting = new Set<number>();
  const wait = (block: number, byte: number): void => {
    waiting.push({ block, byte });
    isWaiting.add(block * classes + byte);
  };
  for (let block = 0; block < partition.blocks; block += 1)
    for (let byte = 0; byte < classes; byte += 1) wait(block, byte);
  for (let splitter = waiting.pop(); splitter !== undefined; splitter = waiting.pop()) {
    const { block, byte } = splitter;
    isWaiting.delete(block * classes + byte);
    const touched: number[] = [];
    for (const member of partition.members(block)) {
      const list = byte * labels.length + member;
      for (let at = firsts[list]!; at < firsts[list + 1]!; at += 1) {
        const state = states[at]!;
        if (partition.mark(state)) touched.push(partition.blockOf[state]!);
      }
    }
    for (const old of touched) {
      const added = partition.split(old);
      if (added === undefined) continue;
      const smaller = partition.size(added) <= partition.size(old) ? added : old;
      for (let other = 0; other < classes; other += 1)
        wait(isWaiting.has(old * classes + other) ? added : smaller, other);
    }
  }
  return renumbered(automaton, partition.blockOf);
}
