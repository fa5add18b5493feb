/** Takes away segments that are done with; what the disk does not let go is tried again when it works. */
import type { Segment } from './segment.ts';
import type { SpoolDisk } from './spool_disk.ts';

/** Segments that are to go. */
export class Removals {
  readonly #disk: SpoolDisk;
  #left: Segment[] = [];

  constructor(disk: SpoolDisk) {
    this.#disk = disk;
  }

  async remove(segment: Segment): Promise<void> {
    try {
      await Promise.all([segment.remove(), this.#disk.gone(segment.name)]);
    } catch (error) {
      this.#left.push(segment);
      this.#disk.failed(error, 'remove a segment from');
    }
  }

  /** The disk can be written again. */
  tryAgain(): void {
    const left = this.#left;
    this.#left = [];
    for (const segment of left) void this.remove(segment);
  }
}
