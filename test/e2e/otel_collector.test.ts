/**
 * Requests as the real OpenTelemetry Collector and the real Jaeger take them: what the one writes to its file is what the
 * store holds, field by field, and the service graphs that both make of spans are the edges that Flowspan tells.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { thresholdOf } from '../../collector/src/deliver/spans/probability.ts';
import { loseFirstWith } from '../../deploy/lab/loss.ts';
import { run } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { REQUEST_ID_SQL } from '../../store/ids.ts';
import { allColumns } from '../../store/remainders.ts';
import { REQUESTS } from '../../store/tables.ts';
import { temporaryFolder, whyNot } from '../support/flowspan.ts';
import { runWrk } from '../support/wrk.ts';
import { type Jaeger, missingPeers, type OtelCollector, startJaeger, startOtelCollector } from './otel/peers.ts';
import { type Scene, SERVICES, startScene } from './otel/scene.ts';
import { differencesOf, factsOfFile, factsOfView, viewSpans } from './otel/stored_spans.ts';

const [SHOPPER, GATEWAY, ORDERS] = SERVICES;
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT_SPAN_ID = '00f067aa0ba902b7';
/** Of requests without a reason to be sent, in the second part. */
const RATIO = 0.4;

const FAULT_CLIENT = fileURLToPath(new URL('../../deploy/lab/fault_client.ts', import.meta.url));
/** Columns that stand in spans as they are, under `flowspan.`. */
const COLUMNS = [
  ...['request_index', 'outcome', 'peer_observed', 'request_sent_ns', 'application_read_ns', 'response_start_ns'],
  ...[
    'retransmitted_segments',
    'fast_retransmits',
    'timeouts',
    'tail_loss_probes',
    'zero_window_ns',
    'rwnd_limited_us',
  ],
  ...[
    'sndbuf_limited_us',
    'bytes_out_of_order',
    'srtt_us',
    'max_rtt_us',
    'request_end',
    'close_cause',
    'closed_by',
    'verdict',
  ],
];

interface CollectorStatus {
  readonly spans: {
    readonly decisions: Readonly<Record<string, number>>;
    readonly exported: number;
    readonly lost: Readonly<Record<string, number>>;
  };
}

/** Requests by `source -> destination`; edges without any are left out. */
async function requestEdges(queryApiUrl: string): Promise<Record<string, number>> {
  const query = 'since=10m&group_by=source_workload,destination_workload';
  const response = await fetch(`${queryApiUrl}/v1/edges?${query}`, { signal: AbortSignal.timeout(10_000) });
  type Edge = { source_workload: string; destination_workload: string; requests: string };
  const { data } = (await response.json()) as { data: Edge[] };
  return Object.fromEntries(
    data
      .filter(({ requests }) => requests !== '0')
      .map((edge) => [`${edge.source_workload} -> ${edge.destination_workload}`, Number(edge.requests)]),
  );
}

/** For how many requests a span stands, by OpenTelemetry's rule. */
function adjustedCount(traceState = ''): number {
  const threshold = /\bth:([0-9a-f]+)/.exec(traceState)?.[1] ?? '';
  return 1 / (1 - Number.parseInt(threshold.padEnd(14, '0'), 16) / 2 ** 56);
}

describe('spans of requests in the OpenTelemetry Collector and in Jaeger', {
  skip: whyNot() ?? missingPeers('otelcol', 'jaeger') ?? false,
}, () => {
  const folder = temporaryFolder();
  let jaeger: Jaeger;
  let otel: OtelCollector;
  let scene: Scene;

  const configure = (ratio: number): void =>
    writeFileSync(join(folder, 'flowspan.yaml'), `collector: {spans: {ratio: ${ratio}, slow_ms: 400}}\n`);
  const curl = (...words: string[]) => run(scene.shopper, ['curl', '-s', '-o', '/dev/null', '-m', '30', ...words]);
  const status = async (): Promise<CollectorStatus['spans']> => {
    const response = await fetch(`${scene.flowspan.collectorUrl}/status`, { signal: AbortSignal.timeout(5000) });
    return ((await response.json()) as CollectorStatus).spans;
  };
  /** Resolves when all rows are stored and every span of them has reached the Collector's file. */
  const delivered = async (): Promise<void> => {
    await scene.flowspan.settled();
    const [{ sent } = { sent: '0' }] = await scene.flowspan.query<{ sent: string }>(
      "SELECT toString(count()) AS sent FROM requests WHERE span_decision != 'not_sent'",
    );
    await eventually(`${sent} spans in the file`, () => otel.spans().length >= Number(sent), 15_000);
  };

  before(async () => {
    configure(1);
    jaeger = await startJaeger();
    otel = await startOtelCollector(jaeger.otlpEndpoint);
    scene = await startScene({
      FLOWSPAN_CONFIG: join(folder, 'flowspan.yaml'),
      FLOWSPAN_OTLP_ENDPOINT: otel.endpoint,
      FLOWSPAN_OTLP_OWN_SPANS: 'false',
    });
    await curl(`${scene.gatewayUrl}/r/direct[1-40]`);
    await curl(`${scene.gatewayUrl}/orders/r/[1-60]`);
    await curl(`${scene.gatewayUrl}/orders/busy?n=[1-10]`, `${scene.gatewayUrl}/orders/missing/[1-5]`);
    await delivered();
  });

  after(async () => {
    await scene?.end();
    await otel?.stop();
    await jaeger?.stop();
  });

  it('lets Collector and Jaeger count what /v1/edges tells, with every request sent', async () => {
    const expected = { [`${SHOPPER} -> ${GATEWAY}`]: 115, [`${GATEWAY} -> ${ORDERS}`]: 75 };
    // Names of endpoints are told a second later than rows.
    const edges = await eventually('edges with their names', async () => {
      const found = await requestEdges(scene.flowspan.queryApiUrl);
      return Object.keys(found).every((edge) => !edge.includes('null')) && found;
    });
    assert.deepEqual(edges, expected);
    const graph = await eventually('a service graph of all requests', async () => {
      const totals = await otel.serviceGraph();
      return Object.values(totals).reduce((sum, total) => sum + total, 0) >= 190 && totals;
    });
    assert.deepEqual(graph, edges);
    assert.deepEqual(await jaeger.dependencies(), edges);
  });

  it('shows both ends of a request in one trace of Jaeger', async () => {
    const server = otel
      .spans()
      .find(({ name, resource }) => name === 'GET /busy' && resource['service.name'] === ORDERS);
    assert.deepEqual(
      (await jaeger.trace(server?.traceId ?? '')).toSorted((a, b) => a.service.localeCompare(b.service)),
      [
        { service: GATEWAY, operation: 'GET /busy' },
        { service: ORDERS, operation: 'GET /busy' },
      ],
    );
  });

  describe('with a share of the requests sent', () => {
    before(async () => {
      configure(RATIO);
      process.kill(scene.flowspan.pid('collector'), 'SIGHUP');
      await eventually('the new configuration', () => scene.flowspan.output().includes('configuration read again'));
      const traceparent = (id: number, flags: string): string[] => {
        const traceId = `${TRACE_ID.slice(0, 30)}${id.toString(16).padStart(2, '0')}`;
        return ['-H', `traceparent: 00-${traceId}-${PARENT_SPAN_ID}-${flags}`];
      };
      const load = { url: scene.gatewayUrl, label: 'load', threads: 4, requestsPerThread: 200 };
      await runWrk(scene.shopper, load, () => scene.gatewayNginx.answered('/r/load/'));
      for (let id = 0; id < 20; id += 1) {
        await curl(...traceparent(id, id % 2 === 0 ? '01' : '00'), `${scene.gatewayUrl}/orders/r/traced`);
      }
      await curl('-d', 'a body', `${scene.gatewayUrl}/orders/r/posted?token=1`, '--http1.0', `${scene.gatewayUrl}/`);
      await curl('-X', 'OPTIONS', `${scene.gatewayUrl}/`);
      await curl('-X', 'BREW', `${scene.gatewayUrl}/`);
      await curl('-H', 'Host: [fd00::1]:8080', `${scene.gatewayUrl}/r/literal`);
      await curl(`${scene.gatewayUrl}/orders/busy`, `${scene.gatewayUrl}/orders/gone`, `${scene.gatewayUrl}/missing/1`);
      await curl(`${scene.gatewayUrl}/slow/10000.txt`);
      await run(scene.shopper, [process.execPath, FAULT_CLIENT, JSON.stringify(abortedRequests())]);
      const lost = loseFirstWith(scene.shopper.namespace, 'HTTP/1.1 200 OK');
      await curl(...traceparent(255, '01'), `${scene.gatewayUrl}/static/100000.txt`);
      assert.equal(lost(), 1);
      await delivered();
    });

    const abortedRequests = () => ({
      host: new URL(scene.gatewayUrl).hostname,
      port: 80,
      path: '/static/1000000.txt',
      lanes: 1,
      for_ms: 200,
      abort_after_ms: 1,
      abort_by: 'reset',
    });

    it('lost nothing', async () => {
      assert.deepEqual(await scene.flowspan.losses(), []);
    });

    it('writes exactly the spans of the rows that say so', async () => {
      const [file, sent] = [factsOfFile(otel.spans()), factsOfView(await viewSpans(scene.flowspan, true))];
      assert.deepEqual(differencesOf(file, sent), []);
      assert.equal(otel.spans().length, Object.keys(sent).length, 'no span twice');
      const left = Object.keys(factsOfView(await viewSpans(scene.flowspan, false)));
      assert.ok(left.length > 100, `${left.length} requests were not sent`);
      assert.deepEqual(
        left.filter((id) => id in file),
        [],
      );
    });

    it('says of each request what its row says', async () => {
      const rows = await scene.flowspan.query<Record<string, unknown>>(
        `SELECT ${allColumns(REQUESTS, 'r')}, ${REQUEST_ID_SQL} AS id FROM requests AS r WHERE span_decision != 'not_sent'`,
      );
      const byId = new Map(otel.spans().map((span) => [span.attributes['flowspan.request_id'], span]));
      assert.equal(byId.size, rows.length);
      for (const row of rows) {
        const span = byId.get(String(row.id));
        assert.ok(span !== undefined, JSON.stringify(row));
        for (const name of COLUMNS) {
          const value = row[name];
          const stored = value === 0 || value === '0' || value === 'none' ? undefined : String(value);
          const told: string | undefined = span.attributes[`flowspan.${name}`];
          assert.equal(told === '0' ? undefined : told, stored, `${name} of ${JSON.stringify(row)}`);
        }
        assert.equal(span.attributes['flowspan.sampling.decision'], row.span_decision);
        assert.equal(span.attributes['http.response.status_code'] ?? '0', String(row.http_status_code));
      }
    });

    it('has sent some for every reason, and for each the weight that counts rightly', async () => {
      const decisions = new Map<string, Set<string>>();
      for (const { attributes, traceState = '' } of otel.spans()) {
        const decision = attributes['flowspan.sampling.decision'] ?? '';
        decisions.set(
          decision,
          (decisions.get(decision) ?? new Set()).add(/th:([0-9a-f]+)/.exec(traceState)?.[1] ?? ''),
        );
      }
      const always = new Set(['0']);
      assert.deepEqual(Object.fromEntries(decisions), {
        error: always,
        slow: always,
        evidence: always,
        parent: always,
        ratio: new Set(['0', thresholdOf(RATIO).text]),
      });
      const counted = await status();
      assert.deepEqual(counted.lost, { rate_limit: 0, queue_full: 0, export_failed: 0, stopped: 0, unreadable: 0 });
      assert.equal(counted.exported, otel.spans().length);
    });

    it('decides alike at both ends where nothing but chance decides', async () => {
      const [hops] = await scene.flowspan.query<{ both: string; unlike: string }>(`
        SELECT toString(count()) AS both, toString(countIf(length(decisions) > 1)) AS unlike FROM (
          SELECT groupUniqArray(toString(span_decision)) AS decisions FROM requests WHERE http_path LIKE '/r/load/%'
          GROUP BY request_sequence, response_sequence
          HAVING uniqExact(observation_point) = 2 AND hasAll(['ratio', 'not_sent'], decisions))`);
      assert.ok(Number(hops?.both) > 500, `${hops?.both} requests seen from both ends`);
      assert.equal(hops?.unlike, '0');
    });

    it('lets who counts spans by their thresholds find the number of requests', async () => {
      const [found] = await scene.flowspan.query<{ requests: string }>(
        "SELECT toString(count()) AS requests FROM requests WHERE http_path LIKE '/r/load/%' AND observation_point = 'server'",
      );
      const requests = Number(found?.requests);
      const loads = otel.spans().filter(({ attributes }) => attributes['url.path']?.startsWith('/r/load/'));
      const counted = loads.reduce((sum, { traceState }) => sum + adjustedCount(traceState), 0);
      const deviation = Math.sqrt((requests * (1 - RATIO)) / RATIO);
      assert.ok(Math.abs(counted - requests) < 6 * deviation, `${counted} counted, ${requests} were`);
    });

    it('hangs both ends of a request below the span that its traceparent names', () => {
      const traced = otel.spans().filter(({ traceId }) => traceId === TRACE_ID.slice(0, 30).concat('00'));
      assert.deepEqual(traced.map(({ resource }) => resource['service.name']).toSorted(), [
        ...[GATEWAY, GATEWAY, ORDERS, SHOPPER],
      ]);
      for (const { parentSpanId, flags = 0 } of traced) {
        assert.equal(parentSpanId, PARENT_SPAN_ID);
        assert.equal(flags & 1, 1);
      }
    });

    it('tells of retransmits and resets where they happened', () => {
      const withEvent = (name: string) =>
        otel.spans().filter((span) => span.events.some((event) => event.name === name));
      const sentAgain = withEvent('retransmit').filter(({ name }) => name === 'GET /static/100000.txt');
      assert.deepEqual(new Set(sentAgain.map(({ kind }) => kind)), new Set([2, 3]), 'server and client');
      for (const { attributes, events, kind } of sentAgain) {
        const retransmits = events.filter(({ name }) => name === 'retransmit');
        assert.deepEqual(
          new Set(retransmits.map((event) => event.attributes['flowspan.sent_by'])),
          new Set(['server']),
        );
        if (kind !== 2) continue;
        const segments = retransmits.reduce((sum, event) => sum + Number(event.attributes['flowspan.segments']), 0);
        assert.equal(segments, Number(attributes['flowspan.retransmitted_segments']));
      }
      const aborted = (kind: number) => (span: { name: string; kind: number }) =>
        span.kind === kind && span.name === 'GET /static/1000000.txt';
      assert.ok(withEvent('reset_received').some(aborted(2)), 'the server got the reset of an aborted download');
      assert.ok(withEvent('reset_sent').some(aborted(3)), 'the client sent it');
    });
  });
});
