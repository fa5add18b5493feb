/** What GET /status answers. */
import { rfc3339 } from '../../store/time.ts';
import type { Drain } from './batch/drain.ts';
import type { Config } from './config.ts';
import type { Kubernetes } from './control/kubernetes/open.ts';
import type { ManifestStatus } from './control/manifests/source.ts';
import type { Endpoints } from './correlate/endpoints.ts';
import { type Counters, RECORD_KINDS } from './counters.ts';
import type { Dataplane } from './dataplane.ts';
import type { Delivery } from './deliver/delivery.ts';
import type { LiveFeed } from './deliver/live.ts';
import type { Losses } from './deliver/losses.ts';
import type { SpanCounts } from './deliver/spans/counts.ts';
import type { Governor } from './govern/governor.ts';
import type { Kernel } from './kernel.ts';
import type { Reporter } from './reporter.ts';
import { rowsWaiting } from './row_fates.ts';
import type { Scope } from './rows.ts';
import { VERSION } from './version.ts';

/** Conditions that are shown. */
const MOST_CONDITIONS = 1000;

export interface StatusParts {
  readonly drain: Drain;
  readonly governor: Governor;
  readonly scope: Scope;
  readonly startedNs: bigint;
  readonly nowNs: bigint;
  readonly kernel: Kernel;
  readonly counters: Counters;
  readonly losses: Losses;
  readonly reporter: Reporter;
  readonly delivery: Delivery;
  readonly endpoints: Endpoints;
  readonly live: LiveFeed;
  readonly spans: SpanCounts;
  /** Undefined where Kubernetes is not asked. */
  readonly kubernetes: Kubernetes | undefined;
  readonly dataplane: Pick<Dataplane, 'role' | 'programs' | 'conditions'>;
  readonly config: Config;
}

/** Counts as they are now, the kernel's included. `lost` is in the kernel and after it; `lag_ms` how long the oldest row waits. */
export function statusOf(parts: StatusParts): unknown {
  const {
    drain,
    governor,
    scope,
    startedNs,
    nowNs,
    kernel,
    counters,
    losses,
    reporter,
    delivery,
    endpoints,
    live,
    spans,
    kubernetes,
    dataplane,
    config,
  } = parts;
  losses.readKernel(kernel);
  const nowMs = Number(nowNs / 1_000_000n);
  return {
    version: VERSION,
    ...scope,
    started: rfc3339(startedNs),
    programs: kernel.programs.map(({ name, attached, required, reason, missing }) => ({
      name,
      attached,
      required,
      reason,
      missing: attached ? '' : missing,
    })),
    counters: Object.fromEntries(RECORD_KINDS.map((kind) => [kind, counters.of(kind)])),
    discards: counters.discards,
    kernel_discards: counters.kernelDiscards,
    ring_bytes: kernel.ringBytes(),
    lag_ms: Math.max(0, nowMs - (delivery.waitingSinceMs() ?? nowMs)),
    stored_until: rfc3339(reporter.storedUntilNs),
    rows_waiting: rowsWaiting(delivery),
    spool: delivery.waiting(),
    drain: { looks: drain.looks, looks_without_room: drain.looksWithoutRoom, room_bytes: delivery.roomBytes },
    governor: governor.status(),
    endpoints: endpoints.count,
    live: { clients: live.clients },
    spans: { decisions: spans.decisions, exported: spans.exported, lost: spans.lost },
    kubernetes: kubernetes === undefined ? { enabled: false } : kubernetesStatus(kubernetes, kernel),
    manifests: manifestStatus(kubernetes?.manifests?.status()),
    dataplane: dataplaneStatus(config, dataplane, kubernetes),
    clickhouse: { url: config.clickhouse.url, database: config.clickhouse.database },
  };
}

function kubernetesStatus({ identity, watch }: Kubernetes, { addressTable }: Kernel): unknown {
  return {
    enabled: true,
    synced: watch.synced,
    own_addresses: { open: identity.ownAddresses.open, rows: identity.ownAddresses.rows },
    cluster_uid: identity.cluster.uid,
    addresses_in_kernel: addressTable?.owned ?? 0,
    resources: watch.status().map(({ resource, synced, objects, lastEventMs, relists, requests, bytes, skipped }) => ({
      ...{ resource, synced, objects, relists, requests, received_bytes: bytes, skipped },
      last_event: lastEventMs === 0 ? '' : rfc3339(BigInt(Math.round(lastEventMs)) * 1_000_000n),
    })),
  };
}

function manifestStatus(status: ManifestStatus | undefined): unknown {
  if (status === undefined) return { enabled: false };
  const { directory, files, objects, refused, reads, lastSoundMs } = status;
  const last_sound = lastSoundMs === 0 ? '' : rfc3339(BigInt(Math.round(lastSoundMs)) * 1_000_000n);
  return { enabled: true, directory, files, objects: Object.fromEntries(objects), refused, reads, last_sound };
}

/** Modes as they are configured, and how what they act on stands: what is refused first, as much as is bearable to read. */
function dataplaneStatus(
  config: Config,
  dataplane: Pick<Dataplane, 'role' | 'programs' | 'conditions'>,
  kubernetes: Kubernetes | undefined,
): unknown {
  const all = [...dataplane.conditions(), ...(kubernetes?.objects.conditions() ?? [])];
  all.sort((a, b) => Number(a.accepted) - Number(b.accepted));
  const conditions = all.slice(0, MOST_CONDITIONS);
  const programs = dataplane.programs.map(({ name, step, attached, reason }) => ({ name, step, attached, reason }));
  const { role } = dataplane;
  return { ...config.dataplane, role, programs, conditions, conditions_left_out: all.length - conditions.length };
}
