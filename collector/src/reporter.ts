/** The small rows: who endpoints are, what was lost, and up to when all that happened has been stored. */
import { COLLECTOR_REPORTS, ENDPOINT_ADDRESSES, ENDPOINTS, LOSSES } from '../../store/tables.ts';
import { rfc3339 } from '../../store/time.ts';
import type { KubernetesIdentity } from './control/kubernetes/identity.ts';
import { type Endpoints, OPEN_END } from './correlate/endpoints.ts';
import type { Counters } from './counters.ts';
import type { Delivery } from './deliver/delivery.ts';
import type { Losses } from './deliver/losses.ts';
import { saidOfItself } from './deliver/spans/pod_resource.ts';
import type { Kernel } from './kernel.ts';
import type { Pipeline } from './pipeline.ts';
import type { Scope } from './rows.ts';
import type { StateFiles } from './state_files.ts';

export interface ReporterOptions {
  readonly scope: Scope;
  readonly counters: Counters;
  readonly delivery: Delivery;
  readonly endpoints: Endpoints;
  readonly kernel: Kernel;
  /** Undefined where Kubernetes is not asked. */
  readonly kubernetes: KubernetesIdentity | undefined;
  readonly losses: Losses;
  readonly state: StateFiles;
  /** Whether well-known labels name a pod's service; see `saidOfItself`. */
  readonly serviceLabels: boolean;
  /** When this collector began to watch, nanoseconds since the epoch. */
  readonly startedNs: bigint;
  readonly nowNs: () => bigint;
  readonly pipeline: Pick<Pipeline, 'writtenUntilNs' | 'promisedMs'>;
}

/** Some records tell of what ended a while before: a response ends when its last byte is acknowledged. 2 s. */
export const LATENESS_NS = 2_000_000_000n;

const BETWEEN_SAVES_NS = 30_000_000_000n;

/** Writes small rows when told to. */
export class Reporter {
  readonly #options: ReporterOptions;
  #reportedNs: bigint;
  #unsavedEndpoints = false;
  #savedNs = 0n;
  /** All that happened until then is in ClickHouse, as far as reports have come; nanoseconds since the epoch. */
  storedUntilNs: bigint;
  /** Time between an earlier run and this one, when nobody watched; nanoseconds. */
  unobservedNs = 0n;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#reportedNs = options.startedNs;
    this.storedUntilNs = options.startedNs;
  }

  /** Tells of the time between an earlier run and this one. */
  restarted(): void {
    const { state, startedNs } = this.#options;
    const before = state.watchedUntil();
    if (before === undefined) return;
    // Later than now: wall time was set back meanwhile, and for how long nobody watched cannot be told.
    this.unobservedNs = before < startedNs ? startedNs - before : 0n;
    this.#loss({ kind: 'all', reason: 'restart', count: 0 }, startedNs, this.unobservedNs);
  }

  /**
   * Tells that wall time was set. Set forward, the times between are nobody's; set back, they come twice: nothing is
   * missing, but what an answer says of these times is of two hours, or of none.
   * @param stepNs nanoseconds; negative if it was set back
   */
  clockStepped(stepNs: bigint): void {
    const nowNs = this.#options.nowNs();
    this.#reportedNs += stepNs;
    this.#savedNs += stepNs;
    const isForward = stepNs > 0n;
    this.#loss(
      { kind: 'all', reason: 'clock_step', count: 0 },
      isForward ? nowNs : nowNs - stepNs,
      isForward ? stepNs : -stepNs,
    );
  }

  /** Rows of addresses of this node's pods that are new or have changed, and who has them. */
  #tellAddresses(): void {
    const { counters, delivery, endpoints, kubernetes, nowNs, scope } = this.#options;
    if (kubernetes === undefined) return;
    const updated = nowNs();
    for (const row of kubernetes.ownAddresses.takeChanged(updated)) {
      delivery.add(ENDPOINT_ADDRESSES, {
        cluster: scope.cluster,
        address: row.address,
        endpoint_id: row.endpointId,
        node: scope.node,
        basis: row.isNodes ? 'node' : 'api',
        valid_from: row.validFromNs,
        sure_from: row.sureFromNs,
        sure_to: row.sureToNs,
        valid_to: row.validToNs,
        changed_from: row.changedFromNs,
        updated,
      });
    }
    for (const pod of kubernetes.ownAddresses.takeFresh()) {
      const identity = kubernetes.identityOf(pod);
      // News of a pod may come when its end has been seen here: that does not make it live again.
      const number = endpoints.number(identity, 0, identity.validFromNs ?? updated, false);
      if (number === 0) counters.discard('endpoint_table_full');
    }
  }

  /** Rows of endpoints that are new or have changed, and of the addresses that they had. */
  tellEndpoints(): void {
    this.#tellAddresses();
    const { delivery, endpoints, nowNs, scope, serviceLabels } = this.#options;
    const changed = endpoints.takeChanged();
    if (changed.length === 0) return;
    const updated = rfc3339(nowNs());
    for (const { identity, cgroupId, addresses, validFromNs, validToNs } of changed) {
      const { pod } = identity;
      delivery.add(ENDPOINTS, {
        endpoint_id: identity.id,
        cluster: scope.cluster,
        node: pod?.node || (identity.here ? scope.node : ''),
        kind: identity.kind,
        namespace: identity.namespace,
        workload: identity.workload,
        name: identity.name,
        pod_uid: pod?.uid ?? '',
        workload_kind: pod?.workloadKind ?? '',
        service_account: pod?.serviceAccount ?? '',
        zone: identity.zone ?? pod?.zone ?? '',
        services: pod?.services ?? [],
        container_id: identity.containerId,
        containers: Object.fromEntries(pod?.containers ?? []),
        images: Object.fromEntries(pod?.images ?? []),
        cgroup_id: cgroupId,
        cgroup_path: identity.cgroupPath,
        addresses,
        labels: identity.labels,
        resource_attributes: saidOfItself(identity, serviceLabels),
        valid_from: rfc3339(validFromNs),
        valid_to: validToNs === undefined ? OPEN_END : rfc3339(validToNs),
        updated,
      });
    }
    this.#unsavedEndpoints = true;
  }

  /** For the next run; not often, since it is all of them. */
  #saveEndpoints(nowNs: bigint): void {
    const { endpoints, scope, state } = this.#options;
    if (!this.#unsavedEndpoints || nowNs - this.#savedNs < BETWEEN_SAVES_NS) return;
    this.#unsavedEndpoints = false;
    this.#savedNs = nowNs;
    state.setEndpoints(scope.boot_id, endpoints.validity());
  }

  /** Rows of what was lost and not told yet. */
  tellLosses(): void {
    const now = this.#options.nowNs();
    for (const { fromMs, toMs, ...loss } of this.#options.losses.take()) {
      const to = toMs === undefined ? now : nanoseconds(toMs);
      const since = toMs === undefined ? this.#reportedNs : to;
      const from = fromMs === undefined ? since : earlier(nanoseconds(fromMs), since);
      this.#loss(loss, to, to - from);
    }
  }

  /**
   * Losses since the last report, and the report itself, which is stored after all rows before it. While nothing is
   * stored there are fewer reports, so that not too many wait.
   * @param last whether this run ends with it
   */
  async report(last = false): Promise<void> {
    const { counters, delivery, kernel, losses, nowNs, pipeline, scope, startedNs, state } = this.#options;
    const now = nowNs();
    losses.readKernel(kernel);
    this.tellLosses();
    this.#reportedNs = now;
    this.tellEndpoints();
    this.#saveEndpoints(now);
    state.setWatchedUntil(pipeline.writtenUntilNs);
    if (delivery.reportMayWait && !last) return;
    const until = pipeline.writtenUntilNs - LATENESS_NS;
    pipeline.promisedMs = Number(until / 1_000_000n);
    const row = { time: until, ...scope, started: startedNs, counters: counters.flat(last) };
    const { stored } = await delivery.report(COLLECTOR_REPORTS, row, Number(now / 1_000_000n));
    void stored.then(() => {
      this.storedUntilNs = until;
    });
  }

  #loss(loss: { kind: string; reason: string; count: number }, time: bigint, duration: bigint): void {
    const { delivery, scope } = this.#options;
    // Wall time that is slewed may seem to go back a little.
    delivery.add(LOSSES, { time, ...scope, duration_ns: duration < 0n ? 0n : duration, ...loss });
  }
}

const nanoseconds = (ms: number): bigint => BigInt(Math.round(ms)) * 1_000_000n;
const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);
