/**
 * Numbers of one family: a row for each edge and combination of further labels, all in one typed array that grows. To
 * find a row costs a few steps along the edge's own chain; an object is made for none.
 */

/** In place of a row: there is none. */
export const NO_ROW = -1;

/** Rows of one edge at most; what is beyond shares one row. */
const MOST_ROWS = 64;
const FIRST_CAPACITY = 64;

export interface SeriesOptions {
  /** Numbers in a row. */
  readonly width: number;
  /** The cell that takes what is beyond an edge's rows; left out where labels have a handful of values anyway. */
  readonly beyond?: (cell: number) => number;
  /** Called with each row that was made, before anything is added to it. */
  readonly made?: (row: number, edge: number, cell: number) => void;
}

/** Rows by edge and cell; a cell is a number that stands for the labels beside the edge's. */
export class Series {
  readonly width: number;
  readonly #options: SeriesOptions;
  /** Row after row, each `width` numbers. */
  values: Float64Array;
  #edges: Int32Array;
  #cells: Uint32Array;
  #next: Int32Array;
  /** By edge: its newest row. */
  #first = new Int32Array(FIRST_CAPACITY).fill(NO_ROW);
  #free = NO_ROW;
  /** One more than the highest row there is. */
  rows = 0;

  constructor(options: SeriesOptions) {
    this.width = options.width;
    this.#options = options;
    this.values = new Float64Array(FIRST_CAPACITY * options.width);
    this.#edges = new Int32Array(FIRST_CAPACITY);
    this.#cells = new Uint32Array(FIRST_CAPACITY);
    this.#next = new Int32Array(FIRST_CAPACITY);
  }

  /** The row of an edge's cell, made of zeros if there is none yet. */
  row(edge: number, cell: number): number {
    let rows = 0;
    for (let row = this.first(edge); row !== NO_ROW; row = this.#next[row] as number) {
      if (this.#cells[row] === cell) return row;
      rows += 1;
    }
    const { beyond } = this.#options;
    if (beyond !== undefined && rows >= MOST_ROWS && beyond(cell) !== cell) return this.row(edge, beyond(cell));
    return this.#make(edge, cell);
  }

  /** Adds to the only number of a row. */
  add(edge: number, cell: number, count: number): void {
    const row = this.row(edge, cell);
    this.values[row * this.width] = (this.values[row * this.width] as number) + count;
  }

  /** The newest row of an edge; NO_ROW if it has none. The others follow by `next`. */
  first(edge: number): number {
    return edge < this.#first.length ? (this.#first[edge] as number) : NO_ROW;
  }

  /** The row behind a row of the same edge. */
  next(row: number): number {
    return this.#next[row] as number;
  }

  /** Whose row it is; NO_ROW if it is nobody's at the moment. */
  edge(row: number): number {
    return this.#edges[row] as number;
  }

  cell(row: number): number {
    return this.#cells[row] as number;
  }

  /** Gives up all rows of an edge. */
  drop(edge: number): void {
    let row = this.first(edge);
    if (row === NO_ROW) return;
    this.#first[edge] = NO_ROW;
    while (row !== NO_ROW) {
      const next = this.#next[row] as number;
      this.#edges[row] = NO_ROW;
      this.#next[row] = this.#free;
      this.#free = row;
      row = next;
    }
  }

  #make(edge: number, cell: number): number {
    let row = this.#free;
    if (row !== NO_ROW) this.#free = this.#next[row] as number;
    else {
      row = this.rows;
      this.rows += 1;
      if (row >= this.#edges.length) this.#grow();
    }
    if (edge >= this.#first.length) {
      const larger = new Int32Array(Math.max(edge + 1, 2 * this.#first.length)).fill(NO_ROW);
      larger.set(this.#first);
      this.#first = larger;
    }
    this.values.fill(0, row * this.width, (row + 1) * this.width);
    this.#edges[row] = edge;
    this.#cells[row] = cell;
    this.#next[row] = this.#first[edge] as number;
    this.#first[edge] = row;
    this.#options.made?.(row, edge, cell);
    return row;
  }

  #grow(): void {
    const capacity = 2 * this.#edges.length;
    const values = new Float64Array(capacity * this.width);
    values.set(this.values);
    this.values = values;
    const [edges, cells, next] = [new Int32Array(capacity), new Uint32Array(capacity), new Int32Array(capacity)];
    edges.set(this.#edges);
    cells.set(this.#cells);
    next.set(this.#next);
    [this.#edges, this.#cells, this.#next] = [edges, cells, next];
  }
}
