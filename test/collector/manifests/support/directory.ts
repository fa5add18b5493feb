/** A directory of manifests on the real file system, a source that follows it, and what it tells. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { LastGood } from '../../../../collector/src/control/manifests/last_good.ts';
import { ManifestSource, type ManifestSourceOptions } from '../../../../collector/src/control/manifests/source.ts';
import { KINDS } from '../../../../collector/src/control/objects/kinds.ts';
import { type ObjectFollower, type Refusal, titleOf } from '../../../../collector/src/control/objects/source.ts';
import { eventually } from '../../../../deploy/lab/wait.ts';
import { temporaryFolder } from '../../../support/flowspan.ts';

/** Short waits. */
export const TIMING = { quietMs: 60, lookMs: 150 };
const log = pino({ level: 'silent' });

/** A policy, whose `spec.value` tells its versions apart. */
export function policy(name: string, value = 1): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec: {value: ${value}}
---
`;
}

/** Holds what it is told: value by title. A policy of value 13 it refuses. */
export class Holder implements ObjectFollower {
  readonly held = new Map<string, unknown>();
  /** What was held each time it was settled, as text. */
  readonly settlements: string[] = [];

  check(_: unknown, object: unknown): Refusal | undefined {
    return specValue(object) === 13 ? { reason: 'Unlucky', message: 'spec.value is 13' } : undefined;
  }
  take(id: Parameters<ObjectFollower['take']>[0], object: unknown): void {
    this.held.set(titleOf(id), specValue(object));
  }
  delete(id: Parameters<ObjectFollower['delete']>[0]): void {
    if (!this.held.delete(titleOf(id))) throw new Error(`${titleOf(id)} was not held`);
  }
  settled(): void {
    this.settlements.push(this.text);
  }
  /** `a=1 b=2`, sorted by name. */
  get text(): string {
    return [...this.held]
      .map(([title, value]) => `${title.slice(title.lastIndexOf('/') + 1)}=${value}`)
      .toSorted()
      .join(' ');
  }
}

function specValue(object: unknown): unknown {
  return (object as { spec?: { value?: unknown } }).spec?.value;
}

/** A directory with files in it. */
export function directoryOf(files: Readonly<Record<string, string | Buffer>>): string {
  const path = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

export interface Followed {
  readonly path: string;
  readonly source: ManifestSource;
  readonly holder: Holder;
  /** Writes a file as an editor that writes in place. */
  write(name: string, text: string): void;
  /** Waits until this is held. */
  holds(text: string): Promise<void>;
  /** `Kind name Reason` of each file and object that is refused, sorted. */
  refused(): string[];
  /** Waits until just these are refused. */
  refuses(...wanted: readonly string[]): Promise<void>;
  /** A new run of the collector, with the same data directory. */
  restart(): Promise<Followed>;
}

/** @param files by name, that are there before it is started */
export async function follow(
  files: Readonly<Record<string, string>> = {},
  options: Partial<ManifestSourceOptions> & { readonly path?: string; readonly dataDir?: string } = {},
): Promise<Followed> {
  const { path = join(temporaryFolder(), 'manifests'), dataDir = temporaryFolder(), ...more } = options;
  if (options.path === undefined) mkdirSync(path);
  const write = (name: string, text: string): void => writeFileSync(join(path, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const lastGood = new LastGood(dataDir, path, log);
  const source = new ManifestSource({ directory: path, lastGood, log, timing: TIMING, ...more });
  const holder = new Holder();
  source.follow(
    KINDS.map(({ kind }) => kind),
    holder,
  );
  await source.start();
  const refused = (): string[] =>
    source
      .conditions()
      .filter(({ accepted }) => !accepted)
      .map(({ kind, name, reason }) => `${kind} ${kind === 'Directory' ? '' : `${name} `}${reason}`)
      .toSorted();
  const same = (what: string, now: () => string, wanted: string): Promise<void> =>
    eventually(what, () => now() === wanted, 10_000).then(
      () => undefined,
      () => {
        throw new Error(`${what}: wanted ${wanted}, is ${now()}`);
      },
    );
  return {
    ...{ path, source, holder, write, refused },
    holds: (text) => same('what is held', () => holder.text, text),
    refuses: (...wanted) => same('what is refused', () => refused().join('; '), wanted.toSorted().join('; ')),
    restart: async () => {
      source.close();
      return follow({}, { ...options, path, dataDir });
    },
  };
}

/** Removes a directory and all in it. */
export function remove(path: string): void {
  rmSync(path, { recursive: true });
}
