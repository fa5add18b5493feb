/**
 * One block of memory for everything between the kernel's rings and the spool files: records as drained, rows as encoded.
 * Within one block a run of bytes moves from record to row by `copyWithin`, which makes no object.
 */
export class Arena {
  /** The whole block. Offsets are what the data path passes around. */
  readonly bytes: Buffer;
  /** The same block, for numbers. */
  readonly view: DataView;
  #taken = 0;

  /** @param size bytes of the block; a multiple of eight */
  constructor(size: number) {
    const block = new ArrayBuffer(size);
    this.bytes = Buffer.from(block);
    this.view = new DataView(block);
  }

  /**
   * Sets a region aside for good.
   * @returns its offset, a multiple of eight
   * @throws RangeError if the block has no such room left
   */
  take(size: number): number {
    const at = this.#taken;
    this.#taken = at + Math.ceil(size / 8) * 8;
    if (this.#taken > this.bytes.length) throw new RangeError(`arena of ${this.bytes.length} bytes is full`);
    return at;
  }

  /** A constant, kept in the arena so that it can be copied into rows. */
  keep(constant: Uint8Array): number {
    const at = this.take(constant.length);
    this.bytes.set(constant, at);
    return at;
  }
}
