/** Which cgroups are whose pod's, in the tables that count: those that are made later come in at once. */
import type { Logger } from 'pino';
import type { LocalCgroup, LocalPods } from '../local_pods.ts';
import type { PolicyTables } from './compile.ts';
import type { PolicyMaps } from './kernel.ts';

/** Follows the pods of this node until it is closed. */
export class SubjectCgroups {
  readonly #pods: LocalPods | undefined;
  readonly #maps: PolicyMaps;
  readonly #log: Pick<Logger, 'error'>;
  /** Ids of cgroups in the set that counts. */
  #written = new Set<bigint>();
  #tables: PolicyTables | undefined;
  #isClosed = false;

  constructor(pods: LocalPods | undefined, maps: PolicyMaps, log: Pick<Logger, 'error'>) {
    this.#pods = pods;
    this.#maps = maps;
    this.#log = log;
    pods?.onChange(() => this.#add());
  }

  /** Writes tables, with the cgroups that there are. @throws as `PolicyMaps.write` */
  write(tables: PolicyTables): void {
    const cgroups = this.#byUid();
    this.#maps.write(tables, (uid) => cgroups.get(uid) ?? []);
    this.#tables = tables;
    this.#written = new Set([...tables.subjects.keys()].flatMap((uid) => (cgroups.get(uid) ?? []).map(({ id }) => id)));
  }

  close(): void {
    this.#isClosed = true;
  }

  #byUid(): ReadonlyMap<string, readonly LocalCgroup[]> {
    return new Map(Array.from(this.#pods?.pods ?? [], ({ objectUid, cgroups }) => [objectUid, cgroups]));
  }

  #add(): void {
    if (this.#tables === undefined || this.#isClosed) return;
    for (const [uid, cgroups] of this.#byUid()) {
      const fresh = cgroups.filter(({ id }) => !this.#written.has(id));
      if (fresh.length === 0 || !this.#tables.subjects.has(uid)) continue;
      try {
        this.#maps.addCgroups(uid, fresh);
        for (const { id } of fresh) this.#written.add(id);
      } catch (error) {
        this.#log.error({ err: error, code: 'FLOW_POLICY_CGROUP', pod: uid }, 'no policy holds for a pod that began');
      }
    }
  }
}
