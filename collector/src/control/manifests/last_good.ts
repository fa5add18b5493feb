/**
 * What was in use when the last run ended, kept on disk: a file that is broken now may have been sound then, and its
 * objects may say what is allowed. What the disk does not take is told once.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { keyOf, type ObjectId, type Refusal } from '../objects/source.ts';
import { type InUse, type Manifests, NOTHING } from './merge.ts';
import { objectsOf } from './objects.ts';

const NAME = 'manifests.json';

/** The file of one directory's objects. */
export class LastGood {
  readonly #dataDir: string;
  readonly #directory: string;
  readonly #log: Pick<Logger, 'warn'>;
  #isFailing = false;
  /** What the file is known to hold. */
  #written = '';

  /** @param directory whose objects they are: those of another one do not count */
  constructor(dataDir: string, directory: string, log: Pick<Logger, 'warn'>) {
    this.#dataDir = dataDir;
    this.#directory = directory;
    this.#log = log;
  }

  /** What of it can still be honoured. */
  read(check: (id: ObjectId, object: unknown) => Refusal | undefined): Manifests {
    const inUse = new Map<string, InUse>();
    try {
      const stored = JSON.parse(readFileSync(join(this.#dataDir, NAME), 'utf8')) as {
        directory?: unknown;
        files?: Record<string, unknown[]>;
      };
      if (stored.directory !== this.#directory) return NOTHING;
      for (const [file, documents] of Object.entries(stored.files ?? {})) {
        for (const { id: named, object, refusal } of objectsOf(documents)) {
          const id = named as ObjectId;
          if (refusal === undefined && check(id, object) === undefined) inUse.set(keyOf(id), { id, object, file });
        }
      }
    } catch {
      return NOTHING;
    }
    return { ...NOTHING, inUse };
  }

  /** Whole or not at all. */
  write({ inUse }: Pick<Manifests, 'inUse'>): void {
    const byFile = Map.groupBy(inUse.values(), ({ file }) => file);
    const files = Object.fromEntries([...byFile].map(([file, all]) => [file, all.map(({ object }) => object)]));
    const text = JSON.stringify({ directory: this.#directory, files });
    if (text === this.#written) return;
    const path = join(this.#dataDir, NAME);
    try {
      mkdirSync(this.#dataDir, { recursive: true });
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      this.#written = text;
      this.#isFailing = false;
    } catch (err) {
      if (!this.#isFailing) {
        const message =
          'cannot write data_dir: free or mend its disk; until then a restart forgets the last good manifests';
        this.#log.warn({ err, code: 'FLOW_MANIFESTS_STATE' }, message);
      }
      this.#isFailing = true;
    }
  }
}
