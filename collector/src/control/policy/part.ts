/** Policies of objects, brought into force in the kernel; and what they said, told in rows. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { BpfMap } from '../../../native/addon.ts';
import { perCpuSum } from '../../attach/per_cpu.ts';
import { type DataplaneConfig, modeIn } from '../../config_dataplane.ts';
import { type DecidedBy, type Decisions, NOBODY } from '../../correlate/decisions.ts';
import { bootId } from '../../machine.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { DataplanePart, PartOptions } from '../dataplane/part.ts';
import type { KindName } from '../objects/kinds.ts';
import { ACCEPTED, type Condition, keyOf, type ObjectFollower, type ObjectId } from '../objects/source.ts';
import { PolicyCompiler } from './compiler.ts';
import { policyFamilies } from './families.ts';
import { HttpDevices } from './http_devices.ts';
import { PolicyMaps } from './kernel.ts';
import type { Modes } from './model.ts';
import { PolicyNames } from './names.ts';
import { CLUSTER_KINDS, checkPolicy, isPolicy, POLICY_KINDS, whole } from './objects.ts';
import { PolicySet } from './policy_set.ts';
import { SubjectCgroups } from './subject_cgroups.ts';
import { VerdictRows } from './verdict_rows.ts';
import { VerdictTeller, type VerdictWays } from './verdicts.ts';

/** Between two sets of tables as long as the last one took, within these bounds, milliseconds. */
const BETWEEN_MS = 20;
const BETWEEN_AT_MOST_MS = 1000;
/** After which no program reads the set before any more. Milliseconds. */
const FREE_MS = 1500;
const STATE_FILE = 'policy_names.json';
const BLIND: Condition = {
  ...{ kind: 'Dataplane', namespace: '', name: 'policy', accepted: false, reason: 'NoRootOfCgroups' },
  message:
    "no pod is found, nothing is judged: the cgroups that are mounted here do not begin at their root; mount the host's /sys/fs/cgroup",
};

function modesOf(dataplane: DataplaneConfig): Modes {
  const names = Object.keys(dataplane.namespaces);
  return {
    mode: dataplane.policy,
    namespaces: new Map(names.map((name) => [name, modeIn(dataplane, 'policy', name)])),
  };
}

/** The step `policy`. */
export class PolicyPart implements DataplanePart, Decisions {
  readonly step = 'policy';
  readonly kinds: readonly KindName[] = [...POLICY_KINDS, ...CLUSTER_KINDS];
  readonly follower: ObjectFollower;
  readonly #options: PartOptions;
  readonly #log: Logger;
  readonly #modes: Modes;
  readonly #set = new PolicySet();
  readonly #maps: PolicyMaps;
  readonly #refusals: BpfMap;
  readonly #names: PolicyNames;
  readonly #compiler = new PolicyCompiler();
  readonly #cgroups: SubjectCgroups;
  readonly #devices: HttpDevices;
  #teller: VerdictTeller | undefined;
  #isStale = false;
  #isSettled = false;
  #isClosed = false;
  #running: Promise<void> | undefined;
  /** What the last set that was compiled says of policies, and of itself. */
  #conditions: readonly Condition[] = [];
  #failure: Condition | undefined;
  /** Why pods are not found. */
  readonly #blindness: Condition | undefined;
  #digest = '';
  #wroteMs: number | undefined;
  #written = 0;
  #compileSeconds = 0;
  #writeSeconds = 0;

  constructor(options: PartOptions) {
    const { config, kernel, kubernetes, log } = options;
    this.#options = options;
    this.#log = log;
    this.#modes = modesOf(config.dataplane);
    this.#maps = new PolicyMaps(kernel.object, config.dataplane.refusal);
    this.#refusals = kernel.object.map('refuse_counters');
    this.#names = new PolicyNames(join(config.data_dir, STATE_FILE), bootId(), log);
    const { localPods } = kubernetes;
    this.#blindness = localPods?.seesRoot === false ? BLIND : undefined;
    this.#cgroups = new SubjectCgroups(localPods, this.#maps, log);
    this.#devices = new HttpDevices({ [Symbol.iterator]: () => Iterator.from(localPods?.pods ?? []) }, kernel, log);
    localPods?.onChange(() => {
      if (!this.#isClosed) this.#devices.update();
    });
    this.follower = {
      check: checkPolicy,
      take: (id, object) => this.#take(id, object),
      delete: (id) => this.#delete(id),
      settled: () => {
        this.#isSettled = true;
        this.#changed();
      },
    };
  }

  /** Whether all there is has been written once. */
  isFilled(): boolean {
    return this.#written > 0;
  }

  conditions(): readonly Condition[] {
    const doubts = this.#set.conditions.filter(({ accepted, reason }) => accepted && reason !== ACCEPTED.reason);
    const own = [this.#failure, this.#blindness].filter((condition) => condition !== undefined);
    return [...own, ...doubts, ...this.#conditions];
  }

  families(): Iterable<Family> {
    return policyFamilies({
      objects: this.#set.counts(POLICY_KINDS),
      entries: this.#maps.entries,
      verdicts: this.#teller?.counts ?? {},
      lost: Number(this.#teller?.lostRecords ?? 0n),
      refusals: (counter) => perCpuSum(this.#refusals, counter, 0),
      written: this.#written,
      compileSeconds: this.#compileSeconds,
      writeSeconds: this.#writeSeconds,
      isCurrent: this.#written > 0 && this.#failure === undefined,
    });
  }

  decidedBy(generation: number, decision: number): DecidedBy {
    return decision === 0xffff_ffff ? NOBODY : this.#names.decidedBy(generation, decision);
  }

  /** Makes rows of verdicts from now on. */
  report(ways: VerdictWays): VerdictTeller {
    const { config, kernel, kubernetes } = this.#options;
    const { redaction } = config.collector;
    const { identity } = kubernetes;
    const allowed = {
      queryNames: new Set(redaction.allow_query_names),
      pathSegments: new Set(redaction.allow_path_segments),
    };
    const workloadOf = (uid: string) => {
      const pod = identity.cluster.pods.find(uid);
      return pod === 0 ? '' : identity.identityOf(pod).workload;
    };
    const modeOf = (namespace: string) => modeIn(config.dataplane, 'policy', namespace);
    const rows = new VerdictRows({ names: this.#names, workloadOf, modeOf, allowed: () => allowed });
    this.#teller = new VerdictTeller(kernel.object, rows, ways);
    return this.#teller;
  }

  tick(nowMs: number): void {
    this.#teller?.tell(process.hrtime.bigint());
    if (this.#wroteMs === undefined || nowMs - this.#wroteMs < FREE_MS) return;
    this.#wroteMs = undefined;
    this.#maps.free();
    // What found no room beside the set before may find it now.
    if (this.#failure !== undefined) this.#changed();
  }

  close(): void {
    this.#isClosed = true;
    this.#cgroups.close();
    void this.#compiler.close();
  }

  #take(id: ObjectId, object: unknown): void {
    if (isPolicy(id.kind)) this.#set.take(whole(id, object));
    else this.#compiler.change(keyOf(id), whole(id, object));
  }

  #delete(id: ObjectId): void {
    if (isPolicy(id.kind)) this.#set.delete(id);
    else this.#compiler.change(keyOf(id), undefined);
  }

  /** At most one set of tables is compiled at a time; the next takes all that came meanwhile. */
  #changed(): void {
    if (!this.#isSettled || this.#isClosed) return;
    this.#isStale = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      const beganMs = performance.now();
      try {
        await this.#bring();
      } catch (error) {
        if (this.#isClosed) return;
        this.#fail(error as Error & { code?: string });
      }
      const pauseMs = Math.min(BETWEEN_AT_MOST_MS, Math.max(BETWEEN_MS, performance.now() - beganMs));
      await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
    }
  }

  async #bring(): Promise<void> {
    const { config } = this.#options;
    const node = config.kubernetes.node_name || config.node;
    const beganMs = performance.now();
    const { policies } = this.#set.model(this.#modes);
    const order = { node, policies, modes: this.#modes, units: this.#maps.mostUnits };
    const { compiled, people, digest } = await this.#compiler.compile(order);
    if (this.#isClosed) return;
    const compiledMs = performance.now();
    this.#compileSeconds = (compiledMs - beganMs) / 1000;
    const { tables } = compiled;
    if (tables === undefined) {
      this.#tell(compiled.condition);
      return;
    }
    if (digest !== this.#digest) {
      this.#names.add(this.#maps.nextGeneration, tables, people);
      this.#devices.follow(tables);
      this.#cgroups.write(tables);
      this.#digest = digest;
      this.#wroteMs = performance.now();
      this.#written += 1;
      this.#writeSeconds = (this.#wroteMs - compiledMs) / 1000;
    }
    if (this.#failure !== undefined) this.#log.info('the policies are in force as they are accepted again');
    this.#failure = undefined;
    this.#conditions = compiled.conditions;
  }

  #fail({ code = '', message }: Error & { code?: string }): void {
    const reason = code === 'FLOW_POLICY_MAP_WRITE' || code === 'FLOW_POLICY_UNITS_FULL' ? 'NoRoom' : 'NotCompiled';
    this.#tell({
      kind: 'PolicyTables',
      namespace: '',
      name: this.#options.config.node,
      accepted: false,
      reason,
      message,
    });
    this.#wroteMs ??= performance.now();
  }

  #tell(failure: Condition): void {
    if (this.#failure?.message !== failure.message)
      this.#log.error({ code: 'FLOW_POLICY_TABLES', reason: failure.reason }, failure.message);
    this.#failure = failure;
  }
}
