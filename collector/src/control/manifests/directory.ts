/** Reads a directory of manifests: every file whole, or why it cannot be. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Refusal } from '../objects/source.ts';
import { documentsOf } from './documents.ts';
import { FILE_BYTES, FILES, ManifestError, OBJECTS, TOTAL_BYTES } from './limits.ts';
import { type ManifestObject, objectsOf } from './objects.ts';

/** What a file says: its objects, or why it cannot be read. */
export interface ReadFile {
  readonly name: string;
  /** Of its bytes; empty if they could not be read. */
  readonly digest: string;
  /** Neither these nor a refusal where the bytes are those of the digest that was known. */
  readonly objects?: readonly ManifestObject[] | undefined;
  readonly refusal?: Refusal | undefined;
}

/** A directory as it was at one time. */
export interface ReadDirectory {
  /** In the order of their names. */
  readonly files: readonly ReadFile[];
  /** Why the directory as a whole cannot be read; then there are no files. */
  readonly refusal: Refusal | undefined;
  /** What `signatureOf` said before anything was read: if it says the same afterwards, nobody was writing. */
  readonly signature: string;
}

const EXTENSION = /\.(?:ya?ml|json)$/;

/** Names of the files that are read: no hidden ones, as editors and ConfigMap mounts have. */
async function namesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => !name.startsWith('.') && EXTENSION.test(name)).toSorted();
}

/** A text that is another one when a file has come, gone or changed; never throws. */
export async function signatureOf(directory: string): Promise<string> {
  try {
    const names = await namesIn(directory);
    if (names.length > FILES) return `${names.length} files`;
    const all = await Promise.all(
      names.map(async (name) => {
        try {
          const { dev, ino, size, mtimeNs, ctimeNs } = await stat(join(directory, name), { bigint: true });
          return [name, dev, ino, size, mtimeNs, ctimeNs].join();
        } catch (error) {
          return `${name},${(error as NodeJS.ErrnoException).code}`;
        }
      }),
    );
    return all.join('\n');
  } catch (error) {
    return `! ${(error as NodeJS.ErrnoException).code}`;
  }
}

/**
 * Reads all files. Never throws.
 * @param known digests of files whose objects need not be told again, by name
 */
export async function readDirectory(directory: string, known: ReadonlyMap<string, string>): Promise<ReadDirectory> {
  const signature = await signatureOf(directory);
  const refused = (reason: string, message: string): ReadDirectory => ({
    files: [],
    refusal: { reason, message },
    signature,
  });
  let names: string[];
  try {
    names = await namesIn(directory);
  } catch (error) {
    return refused('Unreadable', `the directory cannot be read (${(error as Error).message})`);
  }
  if (names.length > FILES) return refused('TooManyFiles', `${names.length} files; ${FILES} may be there at most`);
  const files: ReadFile[] = [];
  let [bytes, objects] = [0, 0];
  for (const name of names) {
    const { file, length } = await readOne(directory, name, known.get(name));
    bytes += length;
    objects += file.objects?.length ?? 0;
    if (bytes > TOTAL_BYTES) return refused('TooLarge', `more than ${TOTAL_BYTES} bytes in all files`);
    if (objects > OBJECTS) return refused('TooManyObjects', `more than ${OBJECTS} objects in all files`);
    files.push(file);
  }
  return { files, refusal: undefined, signature };
}

/** Reads one file. Never throws. */
export async function readManifest(path: string): Promise<ReadFile> {
  return (await readOne(dirname(path), basename(path), undefined)).file;
}

async function readOne(
  directory: string,
  name: string,
  known: string | undefined,
): Promise<{ file: ReadFile; length: number }> {
  let [digest, length] = ['', 0];
  try {
    const bytes = await bytesOf(join(directory, name));
    length = bytes.length;
    digest = createHash('sha256').update(bytes).digest('hex');
    if (digest === known) return { file: { name, digest }, length };
    if (length === 0) {
      // Editors and shells empty a file before they write it anew.
      throw new ManifestError('EmptyFile', 'it is empty: remove it if its objects are to go');
    }
    return { file: { name, digest, objects: objectsOf(documentsOf(name, textOf(bytes))) }, length };
  } catch (error) {
    return { file: { name, digest, refusal: refusalOf(error) }, length };
  }
}

async function bytesOf(path: string): Promise<Buffer> {
  // A pipe that nobody writes to must not hold us up.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new ManifestError('NoFile', 'it is no file');
    if (facts.size > FILE_BYTES) {
      throw new ManifestError('TooLarge', `${facts.size} bytes; a file may have ${FILE_BYTES}: split it`);
    }
    const buffer = Buffer.alloc(facts.size + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ManifestError('InvalidText', 'it is no text in UTF-8', cause);
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof ManifestError) return { reason: error.reason, message: error.message };
  if (error instanceof RangeError) return { reason: 'TooDeep', message: 'too much is within one another' };
  const { code, message } = error as NodeJS.ErrnoException;
  // What the file says is not repeated here: it may be a secret that was put into the wrong directory.
  if (code !== undefined) return { reason: 'Unreadable', message: `it cannot be read (${code})` };
  return { reason: 'InvalidYaml', message: `it cannot be read (${message.split('\n')[0]?.slice(0, 200)})` };
}
