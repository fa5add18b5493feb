/** cgroup v2 ids and their paths: learned from records, and by walking the mount at the start and on a miss. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Directories one walk looks at, and how deep it goes. */
const MOST_DIRECTORIES = 50_000;
const DEEPEST = 32;
/** Least time between two walks: milliseconds, and as a multiple of what the last one took. */
const BETWEEN_WALKS_MS = 1000;
const WALK_SHARE = 50;
/** Ids that no walk has found; they are of trees that are not ours to see. */
const MOST_STRANGERS = 10_000;
/** Paths that are remembered; beyond, what was seen longest ago is forgotten. */
const MOST_PATHS = 100_000;
/** For so long, and so many, those that are gone are remembered: sockets outlive the processes that made them. */
const REMEMBERED_NS = 15n * 60n * 1_000_000_000n;
const MOST_ENDED = 20_000;
/** The oldest are forgotten many at a time: finding the first of a Map costs more, the more went before it. */
const BETWEEN_DROPS_NS = 60n * 1_000_000_000n;
const KEPT_SHARE = 0.9;

/** What lives under a cgroup v2 mount. */
export class Cgroups {
  readonly #mount: string;
  /** What was seen longest ago comes first. */
  readonly #paths = new Map<number, string>();
  readonly #begun = new Map<number, bigint>();
  /** In the order in which they were gone. */
  readonly #ended = new Map<number, bigint>();
  readonly #strangers = new Set<number>();
  #nextWalkMs = Number.NEGATIVE_INFINITY;
  #nextDropNs = 0n;

  /** @param mount where cgroup v2 is mounted */
  constructor(mount: string) {
    this.#mount = mount;
  }

  get count(): number {
    return this.#paths.size;
  }

  /** Reads the whole tree. */
  walk(nowMs: number): void {
    const begun = performance.now();
    this.#walkTree();
    this.#bound();
    this.#nextWalkMs = nowMs + Math.max(BETWEEN_WALKS_MS, WALK_SHARE * (performance.now() - begun));
  }

  #walkTree(): void {
    let left = MOST_DIRECTORIES;
    let level = [''];
    for (let depth = 0; depth < DEEPEST && level.length > 0; depth += 1) {
      const next: string[] = [];
      for (const path of level) {
        left -= 1;
        if (left < 0) return;
        next.push(...this.#look(path));
      }
      level = next;
    }
  }

  /** The path below the mount of a cgroup, `/` for its root; undefined if there is none with this id. */
  pathOf(id: number, nowMs: number): string | undefined {
    const known = this.#paths.get(id);
    if (known !== undefined || nowMs < this.#nextWalkMs || this.#strangers.has(id)) return known;
    this.walk(nowMs);
    const found = this.#paths.get(id);
    if (this.#strangers.size >= MOST_STRANGERS) this.#strangers.clear();
    if (found === undefined) this.#strangers.add(id);
    return found;
  }

  /** The path of a cgroup that was seen before. */
  known(id: number): string | undefined {
    return this.#paths.get(id);
  }

  /** Paths of all that were seen. */
  paths(): Iterable<string> {
    return this.#paths.values();
  }

  /** A cgroup began. */
  add(id: number, path: string, timeNs: bigint): void {
    this.#keep(id, path);
    this.#begun.set(id, timeNs);
    this.#ended.delete(id);
    this.#bound();
  }

  /** A cgroup is gone; its path is remembered for a while. */
  end(id: number, timeNs: bigint): void {
    if (!this.#paths.has(id)) return;
    this.#ended.set(id, timeNs);
    const isFull = this.#ended.size > MOST_ENDED;
    if (timeNs < this.#nextDropNs && !isFull) return;
    this.#nextDropNs = timeNs + BETWEEN_DROPS_NS;
    const most = isFull ? MOST_ENDED * KEPT_SHARE : MOST_ENDED;
    for (const [gone, goneNs] of this.#ended) {
      if (goneNs > timeNs - REMEMBERED_NS && this.#ended.size <= most) break;
      this.#drop(gone);
    }
  }

  /** When a cgroup was gone, nanoseconds since the epoch; undefined if it is there. */
  endedNs(id: number): bigint | undefined {
    return this.#ended.get(id);
  }

  /** When a cgroup began, nanoseconds since the epoch; undefined if that was not seen. */
  begunNs(id: number): bigint | undefined {
    return this.#begun.get(id);
  }

  #keep(id: number, path: string): void {
    this.#paths.delete(id);
    this.#paths.set(id, path);
  }

  #bound(): void {
    if (this.#paths.size <= MOST_PATHS) return;
    for (const oldest of this.#paths.keys()) {
      if (this.#paths.size <= MOST_PATHS * KEPT_SHARE) return;
      this.#drop(oldest);
    }
  }

  #drop(id: number): void {
    this.#paths.delete(id);
    this.#begun.delete(id);
    this.#ended.delete(id);
  }

  /** @returns the directories in it; none if it is gone by now */
  #look(path: string): string[] {
    try {
      const directory = join(this.#mount, path);
      this.#keep(Number(statSync(directory, { bigint: true }).ino), path === '' ? '/' : path);
      return readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${path}/${entry.name}`);
    } catch {
      return [];
    }
  }
}
