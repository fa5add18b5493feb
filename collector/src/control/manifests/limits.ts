/** How much a directory of manifests may hold. What is beyond is refused, never read in part. */

/** One file, bytes; larger sets can be split. */
export const FILE_BYTES = 4 * 1024 ** 2;
/** All files, bytes. */
export const TOTAL_BYTES = 32 * 1024 ** 2;
/** Files of one directory. */
export const FILES = 1000;
/** Documents of one file, and items of one List. */
export const DOCUMENTS = 20_000;
/** Objects of one directory. */
export const OBJECTS = 50_000;
/** Lists and mappings within one another. */
export const DEPTH = 64;
/** Values of one document, counted again at each place that an alias stands for. */
export const VALUES = 500_000;
/** Marks and words of one YAML file: each takes some 500 bytes while it is read. */
export const WORDS = 200_000;
/** Longest that reading a directory may take, milliseconds. */
export const READ_MS = 30_000;
/** Most memory that reading may take, MiB. */
export const READ_MIB = 384;

/** A file, or what is in it, cannot be taken. */
export class ManifestError extends Error {
  /** For programs, in CamelCase. */
  readonly reason: string;

  constructor(reason: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}
