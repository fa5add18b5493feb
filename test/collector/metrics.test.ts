/** A collector that watches real traffic, and a real Prometheus that scrapes it: the same numbers everywhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { listening, run } from '../../deploy/lab/program.ts';
import { type Prometheus, startPrometheus } from '../../deploy/lab/prometheus.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { allColumns } from '../../store/remainders.ts';
import * as tables from '../../store/tables.ts';
import { whyNot } from '../support/flowspan.ts';
import {
  byName,
  type MetricFamily,
  promtoolComplaints,
  readOpenMetrics,
  seriesName,
  whyNoJudge,
} from '../support/metrics.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { done, startTalker } from '../support/talker.ts';
import { createWorld, type World } from '../support/world.ts';
import { differingSeries, seriesOfRows } from './support/edges.ts';
import type { Row } from './support/path.ts';

const TABLES = [tables.FLOWS, tables.REQUESTS, tables.TCP_EVENTS];

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0';
/** Workloads are named by the test, since others use this machine as well. */
const CLIENT = `metrics-client-${process.pid}`;
const SERVER = `metrics-server-${process.pid}`;
const ECHO_PORT = 7000;
/** Asked for by the client, all of them answered. */
const REQUESTS = 551;
const LOCATIONS = 'location /late { return 503; }';

describe('GET /metrics', { skip: whyNot() ?? whyNoJudge() ?? false }, () => {
  let world: World;
  let nginx: Nginx;
  let prometheus: Prometheus;
  let families: MetricFamily[];
  const cgroups: Cgroup[] = [];

  const get = async (path: string, accept: string) => {
    const response = await fetch(`${world.flowspan.collectorUrl}${path}`, { headers: { accept } });
    assert.equal(response.status, 200);
    return response.text();
  };
  const series = () => byName(families);
  /** Of one family's lines with these labels, the sum. Whoever was asked in vain is no workload. */
  const total = (name: string, labels: Record<string, string> = {}): number =>
    families
      .flatMap(({ lines }) => lines)
      .filter(
        (line) => line.name === name && Object.entries(labels).every(([label, value]) => line.labels[label] === value),
      )
      .reduce((sum, { value }) => sum + value, 0);

  before(async () => {
    world = await createWorld({ processes: ['store', 'collector', 'query-api'] });
    const place = (name: string, { namespace, cgroup }: World['client']) => {
      const own = createCgroup(cgroup?.path, `${name}.service`);
      cgroups.push(own);
      return { namespace, cgroup: own };
    };
    const client = place(CLIENT, world.client);
    const server = place(SERVER, world.server);
    prometheus = await startPrometheus({
      scrape: [{ job_name: 'collector', static_configs: [{ targets: [new URL(world.flowspan.collectorUrl).host] }] }],
      scrapeIntervalMs: 500,
    });
    nginx = await startNginx(server, { locations: LOCATIONS });
    const { ipv4 } = world.serverAddress;
    const curl = (...words: string[]) => run(client, ['curl', '-s', '-o', '/dev/null', '-m', '30', ...words]);
    await curl(`http://${ipv4}/r/[1-500]`);
    await curl(`http://${ipv4}/late?[1-20]`, `http://${ipv4}/missing/[1-10]`);
    await curl(`http://${ipv4}/static/1000000.txt`);
    for (let times = 0; times < 3; times += 1) await curl(`http://${ipv4}:81/`).catch(() => undefined);
    const loss = [world.client, world.server].map(({ namespace }) => loseAtRandom(namespace, 0.1));
    await curl(...Array<string>(20).fill(`http://${ipv4}/static/100000.txt`));
    for (const end of loss) end();
    const echos = [startTalker(server, 'tcp-echo', ECHO_PORT), startTalker(server, 'udp-echo', ECHO_PORT)];
    await listening(world.server.namespace, ECHO_PORT);
    for (const kind of ['tcp-talk', 'udp-talk'] as const) {
      const talker = startTalker(client, kind, ipv4, ECHO_PORT, 2, 50, 100);
      await done(talker);
      await talker.stop('SIGKILL');
    }
    await Promise.all(echos.map((echo) => echo.stop('SIGKILL')));
    await nginx.stop();
    // Sockets that end by timeouts, and UDP flows, tell their last a while later.
    await quietTables();
    await world.flowspan.settled();
    families = readOpenMetrics(await get('/metrics', OPENMETRICS));
    await prometheus.up();
  });

  after(async () => {
    await prometheus?.stop();
    await nginx?.stop();
    for (const cgroup of cgroups) cgroup.remove();
    await world?.end();
  });

  /** Ids of the two workloads, as text for SQL. */
  async function ids(): Promise<string> {
    const rows = await world.flowspan.query<{ id: string }>(
      `SELECT DISTINCT toString(endpoint_id) AS id FROM endpoints WHERE workload IN ('${CLIENT}', '${SERVER}')`,
    );
    assert.equal(rows.length, 2);
    return rows.map(({ id }) => id).join(', ');
  }

  async function rowsOf(table: tables.StoredTable): Promise<Row[]> {
    const own = await ids();
    return world.flowspan.query<Row>(
      `SELECT ${allColumns(table, 't')}, toString(source_endpoint_id) AS source_endpoint_id, toString(destination_endpoint_id) AS destination_endpoint_id
       FROM ${table.name} AS t WHERE source_endpoint_id IN (${own}) OR destination_endpoint_id IN (${own})`,
    );
  }

  async function quietTables(): Promise<void> {
    let before = '';
    let since = 0;
    await eventually(
      'the last rows of the two workloads',
      async () => {
        await world.flowspan.settled();
        const counts = await Promise.all(TABLES.map(async (table) => (await rowsOf(table)).length));
        const now = counts.join();
        if (now !== before) since = Date.now();
        before = now;
        return Date.now() - since > 2500;
      },
      60_000,
    );
  }

  it('says of every series about edges what the stored rows say', async () => {
    const names = new Map(
      (
        await world.flowspan.query<{ id: string; namespace: string; workload: string }>(
          'SELECT toString(endpoint_id) AS id, any(namespace) AS namespace, any(workload) AS workload FROM endpoints GROUP BY id',
        )
      ).map(({ id, namespace, workload }) => [id, [namespace, workload] as const]),
    );
    const [flows, requests, events] = await Promise.all(TABLES.map(rowsOf));
    assert.deepEqual(await world.flowspan.losses(), []);
    const expected = seriesOfRows(
      { flows: flows!, requests: requests!, events: events! },
      (id) => names.get(String(id)) ?? ['', 'unknown'],
    );
    const own = [...series()].filter(
      ([name]) =>
        name.startsWith('flowspan_') &&
        (name.includes(`source_workload="${CLIENT}"`) || name.includes(`_workload="${SERVER}"`)),
    );
    assert.deepEqual(differingSeries(new Map(own), expected), []);
    assert.ok(requests!.length >= 2 * REQUESTS, `${requests!.length} requests`);
    for (const family of [
      'flowspan_tcp_retransmitted_segments_total',
      'flowspan_tcp_connects_failed_total',
      'flowspan_tcp_opaque_connection_intervals_total',
      'flowspan_udp_bytes_total',
      'flowspan_tcp_rtt_seconds_count',
    ]) {
      assert.ok(total(family, { source_workload: CLIENT }) > 0, family);
    }
  });

  it('says of the edge what /v1/edges says', async () => {
    const answer = (await (
      await fetch(`${world.flowspan.queryApiUrl}/v1/edges?since=10m&source_workload=${CLIENT}`)
    ).json()) as { data: Record<string, string>[] };
    const edges = answer.data;
    const sum = (name: string) => edges.reduce((all, edge) => all + Number(edge[name]), 0);
    const own = { source_workload: CLIENT };
    const server = { ...own, observation_point: 'server' };
    const client = { ...own, observation_point: 'client' };
    assert.deepEqual(
      {
        requests: total('flowspan_http_requests_total', server),
        errors: total('flowspan_http_requests_total', { ...server, outcome: 'server_error' }),
        client_errors: total('flowspan_http_requests_total', { ...server, outcome: 'client_error' }),
        bytes_from_client:
          total('flowspan_tcp_bytes_total', { ...server, sent_by: 'client' }) +
          total('flowspan_udp_bytes_total', { ...server, sent_by: 'client' }),
        connections_failed: total('flowspan_tcp_connects_failed_total', own),
        events_retransmit: Number(sum('retransmitted_segments')),
        events_reset_sent: sum('events_reset_sent') + sum('events_reset_received'),
        opaque_other: total('flowspan_tcp_opaque_connection_intervals_total', {
          ...server,
          application_protocol: 'other',
        }),
      },
      {
        requests: sum('requests'),
        errors: sum('errors'),
        client_errors: sum('client_errors'),
        bytes_from_client: sum('bytes_from_client'),
        connections_failed: sum('connections_failed'),
        events_retransmit: total('flowspan_tcp_retransmitted_segments_total', own),
        events_reset_sent: total('flowspan_tcp_resets_total', own),
        opaque_other: sum('opaque_other'),
      },
    );
    assert.equal(sum('requests'), REQUESTS);
    assert.equal(sum('errors'), 20);
    assert.equal(total('flowspan_http_requests_total', client), REQUESTS);
  });

  it('is what Prometheus has after a scrape, number by number', async () => {
    const found = await prometheus.query(`{destination_workload="${SERVER}"}`);
    const scraped = new Map(
      found.map(({ metric: { __name__ = '', instance: _, job: __, ...labels }, value }) => [
        seriesName({ name: __name__, labels }),
        Number(value[1]),
      ]),
    );
    // A label that is empty is no label to Prometheus.
    const own = families
      .flatMap(({ lines }) => lines)
      .filter(({ labels }) => labels.destination_workload === SERVER)
      .map(({ name, labels, value }): [string, number] => [
        seriesName({ name, labels: Object.fromEntries(Object.entries(labels).filter(([, word]) => word !== '')) }),
        value,
      ]);
    assert.ok(own.length > 100);
    assert.deepEqual(differingSeries(scraped, new Map(own)), []);
    const graph = await prometheus.query(`traces_service_graph_request_total{server="${SERVER}",client="${CLIENT}"}`);
    assert.deepEqual(
      graph.map(({ value }) => value[1]),
      [String(REQUESTS)],
    );
    const failed = await prometheus.query(`traces_service_graph_request_failed_total{server="${SERVER}"}`);
    assert.equal(
      failed.reduce((sum, { value }) => sum + Number(value[1]), 0),
      20,
    );
  });

  it('gives exemplars whose traces can be opened', async () => {
    const exemplars = await prometheus.exemplars(
      `flowspan_http_request_duration_seconds_bucket{destination_workload="${SERVER}"}`,
      Date.now() / 1000 - 600,
      Date.now() / 1000,
    );
    assert.ok(exemplars.length > 0);
    for (const { labels, value } of exemplars.slice(0, 5)) {
      const spans = await world.flowspan.query<{ seconds: number }>(
        `SELECT Duration / 1e9 AS seconds FROM otel_traces WHERE TraceId = '${labels.trace_id}' AND SpanId = '${labels.span_id}'`,
      );
      assert.deepEqual(
        spans.map(({ seconds }) => Math.abs(seconds - Number(value)) < 1e-12),
        [true],
      );
    }
  });

  it('passes the judges, and publishes what is in the list and nothing else', async () => {
    assert.equal(promtoolComplaints(await get('/metrics', 'text/plain')), '');
    const list = readFileSync(new URL('metric_names.txt', import.meta.url), 'utf8')
      .trim()
      .split('\n');
    const published = new Map(list.map((line) => line.split(' ')).map(([name, type, unit]) => [name, { type, unit }]));
    const shown = [...families, ...readOpenMetrics(await get('/metrics/bpf', OPENMETRICS))];
    const names = shown.map(({ name, type }) => (type === 'counter' ? `${name}_total` : name));
    assert.deepEqual(names.toSorted(), [...published.keys()].toSorted());
    for (const { name, type, unit } of shown) {
      const said = published.get(type === 'counter' ? `${name}_total` : name);
      assert.equal(type, said?.type, name);
      if (unit !== '') assert.equal(unit, said?.unit, name);
    }
  });

  it('tells how the collector does', async () => {
    const status = (await (await fetch(`${world.flowspan.collectorUrl}/status`)).json()) as {
      counters: Record<string, Record<string, number>>;
      version: string;
    };
    const value = (name: string, labels: Record<string, string> = {}) => series().get(seriesName({ name, labels }));
    const stored = value('flowspan_collector_rows_stored_total', { kind: 'request' }) as number;
    assert.ok(stored >= 2 * REQUESTS && stored <= (status.counters.request?.stored as number));
    assert.equal(value('flowspan_build_info', { component: 'collector', version: status.version }), 1);
    assert.ok((value('flowspan_collector_batch_rows_count', { table: 'requests' }) as number) > 0);
    assert.ok((value('flowspan_collector_insert_seconds_sum', { table: 'requests' }) as number) > 0);
    assert.ok((value('flowspan_collector_drain_seconds_count') as number) > 0);
    assert.ok((value('flowspan_collector_metrics_edges') as number) >= 1);
    assert.ok((value('flowspan_collector_discards_total', { reason: 'record_short' }) as number) === 0);
  });

  it('counts the run time of BPF programs for a minute after it was asked', async () => {
    const runs = async () => {
      const shown = byName(readOpenMetrics(await get('/metrics/bpf', OPENMETRICS)));
      return shown.get('flowspan_bpf_runs_total{program="cgroup_egress"}') as number;
    };
    const before = await runs();
    await fetch(`${world.flowspan.collectorUrl}/healthz`);
    const { namespace, cgroup } = world.client;
    await run({ namespace, ...(cgroup === undefined ? {} : { cgroup }) }, [
      ...['curl', '-s', '-m', '5', `http://${world.serverAddress.ipv4}/`],
    ]).catch(() => undefined);
    assert.ok((await runs()) > before);
  });
});
