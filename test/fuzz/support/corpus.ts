/** The committed corpora: one file per entry, named after what it is; what a fuzzer found has a hash for a name. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Streams } from '../../bpf/http/generate.ts';

/** Stands between requests and responses of an entry; without it there are no responses. */
const SEPARATOR = '\n@@@@@@@@\n';

export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly bytes: Buffer;
}

/** Folder of one target's entries. */
export function corpusFolder(target: string): string {
  return fileURLToPath(new URL(`../corpus/${target}`, import.meta.url));
}

/** All entries of a folder, by name. */
export function entriesOf(folder: string): Entry[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => ({ name, path: join(folder, name), bytes: readFileSync(join(folder, name)) }));
}

/** All entries of a target. */
export function corpus(target: string): Entry[] {
  return entriesOf(corpusFolder(target));
}

/** Both directions of an entry of the HTTP corpus. */
export function streamsOf(bytes: Buffer): Streams {
  const at = bytes.indexOf(SEPARATOR, 0, 'latin1');
  if (at === -1) return { requests: bytes, responses: Buffer.alloc(0) };
  return { requests: bytes.subarray(0, at), responses: bytes.subarray(at + SEPARATOR.length) };
}
