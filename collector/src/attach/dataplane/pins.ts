/**
 * Names in the BPF filesystem under which the data plane outlives the collector:
 *
 *     <pin_dir>/dataplane/links/<program>[-<inode of a network namespace>-<index of a device>]
 *     <pin_dir>/dataplane/<hash of the maps' layouts>/maps/<map>
 *
 * A link holds its program, a program its maps. What is at a device of a kernel without such links is a program's name
 * instead, and the program hangs on the device.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BpfObject } from '../../../native/addon.ts';

const LINKS = 'links';
/** Hexadecimal digits of a SHA-256. */
const DIGITS = 16;
/** A link that has not yet its name. The filesystem takes no dots. */
const NEW = '~new';

/** Where something is attached, as its name says. */
export interface PinnedLink {
  readonly name: string;
  readonly program: string;
  /** Whether its maker ended before it had its name. */
  readonly isLeft: boolean;
  /** Undefined where it is attached to a cgroup. */
  readonly device: { readonly netnsInode: bigint; readonly ifindex: number } | undefined;
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function removeDirectory(path: string): void {
  // Not by Node's `recursive`, which never ends where a filesystem refuses with ENOENT.
  for (const name of names(path)) rmSync(join(path, name));
  rmdirSync(path);
}

/** The same text for the same maps: kinds, sizes, and the types of their values. */
export function layoutOf(object: Pick<BpfObject, 'maps' | 'mapLayout'>): string {
  const words = object
    .maps()
    .toSorted()
    .map((name) => `${name}: ${object.mapLayout(name)}`);
  return createHash('sha256').update(words.join('\n')).digest('hex').slice(0, DIGITS);
}

/** The names below one `pin_dir`. */
export class DataplanePins {
  readonly #pinDir: string;
  readonly #root: string;

  constructor(pinDir: string) {
    this.#pinDir = pinDir;
    this.#root = join(pinDir, 'dataplane');
  }

  /** Whether an earlier run has left anything. */
  get isEmpty(): boolean {
    return names(this.#root).length === 0;
  }

  map(layout: string, name: string): string {
    return join(this.#root, layout, 'maps', name);
  }

  link(name: string): string {
    return join(this.#root, LINKS, name);
  }

  /** Where a link is pinned until `settle` gives it its name, in the place of the one that had it. */
  newLink(name: string): string {
    const path = this.link(`${name}${NEW}`);
    rmSync(path, { force: true });
    return path;
  }

  /** In one step: at no moment is there none. */
  settle(name: string): void {
    renameSync(this.link(`${name}${NEW}`), this.link(name));
  }

  /** Makes the directories; those above `pin_dir` must be there. */
  make(layout: string): void {
    const maps = [this.#root, join(this.#root, LINKS), join(this.#root, layout), join(this.#root, layout, 'maps')];
    for (const each of [this.#pinDir, ...maps]) makeDirectory(each);
  }

  /** What is attached. */
  links(): PinnedLink[] {
    return names(join(this.#root, LINKS)).map((name) => {
      const [program = '', inode, ifindex] = name.replace(NEW, '').split('-');
      const device = inode === undefined ? undefined : { netnsInode: BigInt(inode), ifindex: Number(ifindex) };
      return { name, program, isLeft: name.endsWith(NEW), device };
    });
  }

  /** Layouts of maps that are kept. */
  layouts(): string[] {
    return names(this.#root).filter((name) => name !== LINKS);
  }

  /** Names of the maps of a layout. */
  maps(layout: string): string[] {
    return names(join(this.#root, layout, 'maps'));
  }

  removeLink(name: string): void {
    rmSync(this.link(name), { force: true });
  }

  /** Maps that a program still uses live on without a name. */
  removeLayout(layout: string): void {
    removeDirectory(join(this.#root, layout, 'maps'));
    rmdirSync(join(this.#root, layout));
  }

  /** Removes the directories; there is nothing left in them. */
  removeAll(): void {
    for (const name of [join(this.#root, LINKS), this.#root]) {
      try {
        rmdirSync(name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }
}
