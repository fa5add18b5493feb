/** One running collector: every part made and joined here, by hand. */
import type { Logger } from 'pino';
import { REQUEST_RECORD } from '../../bpf/wire/events.gen.ts';
import { CLUSTER_INSERT_SETTINGS } from '../../store/cluster.ts';
import { giveBackMemory } from '../native/addon.ts';
import { writerAccount } from './accounts.ts';
import { checkHost, type Host } from './attach/host.ts';
import { tellKept } from './attach/kept_maps.ts';
import { Arena } from './batch/arena.ts';
import { WallClock } from './batch/clock.ts';
import { Drain } from './batch/drain.ts';
import { DrainSpans } from './batch/drain_spans.ts';
import { machineClocks } from './batch/machine_clocks.ts';
import { batchLimits, type Config, configChanges, parseListen } from './config.ts';
import { KernelAddresses } from './control/kernel_addresses.ts';
import { openKubernetes } from './control/kubernetes/open.ts';
import { NO_DECISIONS } from './correlate/decisions.ts';
import { ListenerSearch, openCorrelation } from './correlation.ts';
import { Counters } from './counters.ts';
import { holdDirectory } from './data_dir.ts';
import { Dataplane } from './dataplane.ts';
import { openClient } from './deliver/clickhouse.ts';
import { Delivery, deliveryBytes } from './deliver/delivery.ts';
import { CollectorHttp } from './deliver/http.ts';
import { LiveFeed } from './deliver/live.ts';
import { Losses } from './deliver/losses.ts';
import { SpanCounts } from './deliver/spans/counts.ts';
import { SpanDelivery } from './deliver/spans/span_delivery.ts';
import { buildOverdueEdges } from './edge_builds.ts';
import { FlowsOnTheirWay } from './flows_on_their_way.ts';
import { Gauge } from './govern/gauge.ts';
import { GOVERN_MS, openGovernor } from './govern/open.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import { bootId } from './machine.ts';
import { CollectorMetrics } from './metrics.ts';
import { migrateWhenReached } from './migrate_when_reached.ts';
import { Pipeline } from './pipeline.ts';
import { repeat } from './repeat.ts';
import { Reporter } from './reporter.ts';
import { rowFates } from './row_fates.ts';
import { compileRows, NO_SPANS } from './rows.ts';
import { collectGarbage } from './small_heap.ts';
import type { Turn } from './standby.ts';
import { StateFiles } from './state_files.ts';
import { statusOf } from './status.ts';
import { clickhouseAttributes, type OwnSpans, startOwnSpans } from './telemetry/own_spans.ts';
import { tellVerdicts } from './verdicts.ts';
import { VERSION } from './version.ts';

/** A collector that runs in this process. */
export interface RunningCollector {
  /** Resolved with true when rows can reach ClickHouse, with false when it was closed before. */
  readonly ready: Promise<boolean>;
  /** Port that health, status and live feed answer on. */
  readonly port: number;
  /** Takes a new configuration as far as a running collector can, and says what it cannot. */
  reload(config: Config): void;
  /** Drains, delivers what can be delivered in a moment, detaches. Under three seconds. */
  close(): Promise<void>;
}

const REPORT_MS = 5000;
const TIDY_MS = 60_000;
/** Who had the data plane has just ended, and may have its directory for a moment still. */
const HOLDER_ENDS_MS = 1000;
const ENDPOINTS_MS = 1000;
const DATAPLANE_MS = 1000;
const ANCHOR_MS = 10_000;
/** Time for the last batches to reach ClickHouse. */
const LAST_BATCHES_MS = 1200;
const LAST_LOOKS = 64;
/** Bytes of rows that a byte of records becomes at most, in the mean of a look. */
const ROW_GROWTH = 2;
const SMALL_THINGS_BYTES = 256 * 1024;
const LIVE_ROWS_PER_SECOND = 10_000;

/**
 * Starts a collector.
 * @param turn the data plane of this machine, where it is wanted; given back when the collector is closed
 * @throws AttachError, ConfigError, FlowspanError FLOW_COLLECTOR_DATA_DIR, _RUNNING or _LISTEN; nothing is left attached
 */
export async function startCollector(config: Config, log: Logger, turn?: Turn): Promise<RunningCollector> {
  const { collector, clickhouse } = config;
  const directory = await holdDirectory(config.data_dir, turn === undefined ? 0 : HOLDER_ENDS_MS);
  const state = new StateFiles(config.data_dir, log);
  const scope = { cluster: config.cluster, node: config.node, boot_id: bootId() };
  const account = writerAccount(config);
  const client = openClient(
    clickhouse.url,
    account,
    clickhouse.database,
    clickhouse.cluster === '' ? {} : CLUSTER_INSERT_SETTINGS,
  );

  const kubernetes = openKubernetes(config, log);
  let kernel: Kernel | undefined;
  let dataplane: Dataplane | undefined;
  try {
    const host = checkHost(collector.cgroup_root === '' ? undefined : collector.cgroup_root);
    // Whoever takes over watches before anything else; its records wait meanwhile.
    kernel = await turn?.kernel?.attach();
    dataplane = new Dataplane(config, host, kubernetes, log);
    await kubernetes?.identity.sync();
    const ownSpans = await startOwnSpans('collector', config);
    kernel ??= await loadKernel(config, host, kubernetes !== undefined, dataplane.shared).attach();
    return await run(kernel, dataplane, host, ownSpans);
  } catch (error) {
    kernel?.close();
    dataplane?.close();
    kubernetes?.identity.close();
    await client.close();
    directory.release();
    turn?.held.release();
    throw error;
  }

  async function run(kernel: Kernel, dataplane: Dataplane, host: Host, ownSpans: OwnSpans): Promise<RunningCollector> {
    const clock = new WallClock(machineClocks());
    const nowNs = () => clock.nowNs();
    const startedNs = nowNs();
    const counters = new Counters();
    const losses = new Losses(counters);
    const own = ownSpans.wanted ? ownSpans.tracer : undefined;
    const lookRows = ROW_GROWTH * collector.drain_buffer_bytes;
    const chunks = Math.ceil((collector.row_memory_bytes + 2 * lookRows) / deliveryBytes(1));
    const arena = new Arena(2 * collector.drain_buffer_bytes + deliveryBytes(chunks) + SMALL_THINGS_BYTES);

    const correlation = await openCorrelation({
      config,
      host,
      scope,
      arena,
      clock,
      counters,
      state,
      balanced: dataplane,
      kubernetes,
      log,
    });
    const { endpoints, localEnd, ends, requestText } = correlation;
    const governor = openGovernor({ ...correlation, config: collector.governor, arena, kernel, counters, log });
    const shared = { ...correlation, ...governor.parts, arena, clock, scope };
    const metrics = new CollectorMetrics({ ...shared, cluster: scope.cluster, settings: collector.metrics });
    const spanCounts = new SpanCounts();
    const spanParts = { ...shared, request: requestText, counts: spanCounts, version: VERSION, log };
    const spans =
      config.otlp.endpoint === ''
        ? undefined
        : await SpanDelivery.open({ ...spanParts, otlp: config.otlp, spans: collector.spans });
    const rows = compileRows({
      ...shared,
      decisions: dataplane.policy ?? NO_DECISIONS,
      spanDecision: spans ?? NO_SPANS,
    });

    const flowsOnTheirWay = new FlowsOnTheirWay(arena, clock, kernel);
    const delivery = await Delivery.open({
      arena,
      chunks,
      dataDir: config.data_dir,
      spool: collector,
      limits: batchLimits(collector.batch),
      client,
      database: clickhouse.database,
      node: config.node,
      log,
      ...rowFates(counters, losses),
      tellLosses: () => reporter.tellLosses(),
      flowsLeft: (count) => flowsOnTheirWay.arrived(count),
      verdictsLeft: (count) => verdicts?.left(count),
      sent: metrics.sent,
      spans: own && { tracer: own, attributes: clickhouseAttributes(clickhouse) },
    });
    const live = new LiveFeed({
      counters,
      maxClients: collector.live.max_clients,
      clientBufferBytes: collector.live.client_buffer_bytes,
      rowsPerSecond: LIVE_ROWS_PER_SECOND,
    });
    const verdictParts = { delivery, live, losses, scope, nowNs, dataDir: config.data_dir };
    const verdicts = await tellVerdicts(dataplane.policy, verdictParts);
    const pipeline = new Pipeline({
      ...shared,
      counters,
      metrics: metrics.edges,
      rows,
      writer: (table) => delivery.writer(table),
      flowsOnTheirWay,
      clockStepped: (stepNs) => clockStepped(stepNs),
      sinks: spans === undefined ? [live] : [live, spans],
      flush: (nowMs) => delivery.flush(nowMs),
    });
    const { addressTable: table } = kernel;
    const addresses =
      kubernetes && table && new KernelAddresses({ cluster: kubernetes.identity.cluster, table, counters, log });
    const drainSpans = own && new DrainSpans(own, () => counters.recordsRead);
    const drain = new Drain({
      arena,
      rings: kernel.rings,
      bufferBytes: collector.drain_buffer_bytes,
      intervalMs: collector.drain_interval_ms,
      sleep: kernel,
      largestRecord: Math.ceil(REQUEST_RECORD.size / 8) * 8,
      read: (begin, end) => pipeline.read(begin, end),
      hasRoom: () => delivery.roomBytes >= lookRows,
      looked(bytes, beganMs) {
        metrics.looked(bytes, beganMs);
        drainSpans?.looked(bytes, beganMs);
      },
    });
    const reporter = new Reporter({
      scope,
      counters,
      delivery,
      endpoints,
      kernel,
      kubernetes: kubernetes?.identity,
      losses,
      state,
      serviceLabels: config.otlp.service_labels,
      startedNs,
      nowNs,
      pipeline,
    });

    const clockStepped = (stepNs: bigint) => {
      pipeline.moveTimes(stepNs);
      reporter.clockStepped(stepNs);
      log.warn({ step_ms: Number(stepNs / 1_000_000n) }, 'the wall clock was set');
    };
    const nowMs = () => Number(nowNs() / 1_000_000n);
    metrics.page.add(() => ownSpans.families());
    const told = {
      kernel,
      counters,
      losses,
      delivery,
      reporter,
      live,
      governor,
      spans: spanCounts,
      kubernetes,
      dataplane,
    };
    metrics.tell({ ...told, nowMs });

    let migrated = false;
    const http = new CollectorHttp({
      ...parseListen(collector.listen)!,
      token: collector.token,
      live,
      notReady: () => (migrated ? [] : ['ClickHouse has not been reached yet: rows wait in the spool']),
      status: () => statusOf({ ...told, drain, scope, startedNs, nowNs: nowNs(), endpoints, config }),
      metrics: metrics.routes(),
    });
    let current = config;
    const port = await http.listen();

    const stopping = new AbortController();
    const every = (ms: number | (() => number), what: string, work: () => unknown) =>
      repeat(typeof ms === 'number' ? () => ms : ms, stopping.signal, work, (error) =>
        log.error({ err: error }, `${what} failed`),
      );
    ends.begin(Date.now(), nowNs());
    const listeners = new ListenerSearch(ends, localEnd);
    await listeners.search();
    const gauge = new Gauge({ kernel, room: delivery });
    drain.start();
    spans?.start();
    await addresses?.start();
    await kernel.adopt();
    reporter.restarted();
    const loops = [
      every(
        () => current.collector.flow_interval_s * governor.flowIntervals * 1000,
        'walk over connections',
        () => kernel.snapshot(),
      ),
      every(GOVERN_MS, 'governor', () => governor.measured(gauge.measure())),
      every(REPORT_MS, 'report', () => reporter.report()),
      every(TIDY_MS, 'give back memory', () => {
        delivery.tidy();
        giveBackMemory();
      }),
      every(DATAPLANE_MS, 'data plane', () => dataplane.tick(performance.now())),
      every(ENDPOINTS_MS, 'endpoints', () => {
        reporter.tellEndpoints();
        correlation.forgetEnded(performance.now());
      }),
      every(
        () => listeners.pauseMs,
        'search for listeners',
        () => listeners.searchIfMissed(),
      ),
      every(ANCHOR_MS, 'clock', () => {
        const stepNs = clock.reanchor();
        if (stepNs !== 0n) clockStepped(stepNs);
      }),
    ];
    const history = { client, scope, startedNs, nowNs, delivery, log };
    const anyDatabase = openClient(clickhouse.url, account);
    const ready = migrateWhenReached(anyDatabase, clickhouse, log, stopping.signal).then((done) => {
      migrated = done;
      if (!done) return false;
      delivery.start();
      loops.push(buildOverdueEdges({ client, database: clickhouse.database, log }, stopping.signal));
      if (kubernetes !== undefined) loops.push(kubernetes.readBack(history, stopping.signal));
      return true;
    });
    // What loading and attaching took, and nothing takes again.
    collectGarbage();
    giveBackMemory();
    tellKept(kernel.kept, log);
    log.info({ port, node: scope.node, cgroup_root: host.cgroupRoot }, 'watching');

    return {
      ready,
      port,
      reload(next) {
        const { reloadable } = configChanges(current, next);
        const { restart } = configChanges(config, next);
        current = next;
        log.level = next.log_level;
        correlation.configure(next.collector);
        spans?.configure(next.collector.spans);
        log.info({ taken: reloadable }, 'configuration read again');
        if (restart.length > 0) log.warn({ keys: restart }, 'these take effect after a restart');
      },
      async close() {
        stopping.abort();
        await Promise.all(loops);
        await kernel.snapshot();
        kernel.detach();
        drain.stop();
        drain.finish(LAST_LOOKS);
        pipeline.finish();
        verdicts?.tell(process.hrtime.bigint());
        await reporter.report(true);
        metrics.close();
        addresses?.close();
        await http.close();
        correlation.close();
        await Promise.all([delivery.close(Date.now(), migrated ? LAST_BATCHES_MS : 0), spans?.close(LAST_BATCHES_MS)]);
        kernel.close();
        dataplane.close();
        await Promise.all([client.close(), ownSpans.close()]);
        directory.release();
        turn?.held.release();
      },
    };
  }
}
