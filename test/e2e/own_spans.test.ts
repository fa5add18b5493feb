/**
 * Flowspan's own work as the real OpenTelemetry Collector takes it: one trace from a question to the statement in the
 * store; and no span about the sending of spans, though Flowspan watches itself here and sends every request.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EXPORT_TRACE_PREFIX } from '../../collector/src/telemetry/own_exports.ts';
import { type Cgroup, cgroupRoot, createCgroup } from '../../deploy/lab/cgroup.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, whyNot } from '../support/flowspan.ts';
import { seriesValue } from '../support/series.ts';
import type { FileSpan } from './otel/file_spans.ts';
import { missingPeers, type OtelCollector, startOtelCollector } from './otel/peers.ts';

const CLIENT = 3;
const SERVER = 2;
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_SPAN_ID = 'b7ad6b7169203331';
/** Own spans leave every five seconds. */
const EXPORTED_WITHIN_MS = 30_000;

const service = (span: FileSpan) => span.resource['service.name'];

describe("spans of Flowspan's own work", { skip: whyNot() ?? missingPeers('otelcol') ?? false }, () => {
  let cgroup: Cgroup;
  let otel: OtelCollector;
  let flowspan: Flowspan;
  const home = `${cgroupRoot()}${/^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]}`;
  const moveTo = (path: string): void => writeFileSync(join(path, 'cgroup.procs'), String(process.pid));
  const ask = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${flowspan.queryApiUrl}${path}`, { headers, signal: AbortSignal.timeout(20_000) });
  /** Spans by Flowspan's own tracer, not those of requests that the kernel saw. */
  const ownSpans = () =>
    otel.spans().filter((span) => span.scope === 'flowspan' && service(span)?.startsWith('flowspan-'));

  before(async () => {
    cgroup = createCgroup();
    // what this process starts is watched, both ends of it
    moveTo(cgroup.path);
    otel = await startOtelCollector();
    flowspan = await startFlowspan({
      cgroup,
      processes: ['store', 'collector', 'query-api'],
      env: { FLOWSPAN_OTLP_ENDPOINT: otel.endpoint, FLOWSPAN_COLLECTOR_SPANS_RATIO: '1' },
    });
  });
  after(async () => {
    await flowspan?.stop();
    await otel?.stop();
    moveTo(home);
    cgroup?.remove();
  });

  it('one trace leads from a question over its queries to the statements in the store', async () => {
    const traceparent = `00-${TRACE_ID}-${PARENT_SPAN_ID}-01`;
    const answer = await ask('/v1/requests?since=5m&limit=3', { traceparent });
    assert.equal(answer.status, 200);
    await answer.text();
    const spans = await eventually(
      'the spans of the trace',
      () => {
        const found = ownSpans().filter(({ traceId }) => traceId === TRACE_ID);
        const services = new Set(found.map(service));
        return services.has('flowspan-query-api') && services.has('flowspan-store') ? found : undefined;
      },
      EXPORTED_WITHIN_MS,
    );
    const [http, ...more] = spans.filter((span) => span.parentSpanId === PARENT_SPAN_ID);
    assert.ok(http);
    assert.deepEqual(more, []);
    assert.deepEqual([service(http), http.name, http.kind], ['flowspan-query-api', 'GET /v1/requests', SERVER]);
    assert.equal(http.attributes['http.request.method'], 'GET');
    assert.equal(http.attributes['http.route'], '/v1/requests');
    assert.equal(http.attributes['http.response.status_code'], '200');
    assert.equal(http.attributes['url.path'], '/v1/requests');
    assert.ok(!JSON.stringify(http.attributes).includes('limit'), 'no value of the query string');

    const queries = spans.filter((span) => span.parentSpanId === http.spanId);
    assert.ok(queries.length >= 2, `${queries.length} queries`);
    for (const query of queries) {
      assert.deepEqual([service(query), query.kind], ['flowspan-query-api', CLIENT]);
      assert.equal(query.attributes['db.system.name'], 'clickhouse');
      assert.equal(query.attributes['db.namespace'], 'flowspan');
      assert.equal(query.attributes['server.port'], new URL(flowspan.storeUrl).port);
      assert.equal(query.name, query.attributes['db.query.summary']);
      const statements = spans.filter((span) => span.parentSpanId === query.spanId);
      assert.equal(statements.length, 1, query.name);
      const [statement] = statements as [FileSpan];
      assert.deepEqual([service(statement), statement.kind], ['flowspan-store', SERVER]);
      assert.equal(statement.attributes['db.system.name'], 'clickhouse');
      assert.equal(statement.attributes['flowspan.store.account'], 'reader');
      assert.equal(statement.attributes['db.response.returned_rows'], query.attributes['db.response.returned_rows']);
      // clocks of two processes, each cut to milliseconds
      assert.ok(BigInt(statement.startTimeUnixNano) >= BigInt(query.startTimeUnixNano) - 5_000_000n);
    }
    assert.equal(spans.length, 1 + 2 * queries.length);
  });

  it('the same question is in the trace as the kernel saw it', async () => {
    await eventually(
      'the spans of requests',
      () => {
        const seen = otel
          .spans()
          .filter(({ traceId, attributes }) => traceId === TRACE_ID && 'flowspan.verdict' in attributes);
        const own = seen.filter(({ parentSpanId }) => parentSpanId === PARENT_SPAN_ID);
        return own.length === 2 && seen.length > 2;
      },
      EXPORTED_WITHIN_MS,
    );
  });

  it('deliveries and the drain are traced; the store speaks of the same INSERT', async () => {
    const [insert, drain] = await eventually(
      'spans of the collector',
      () => {
        const spans = ownSpans().filter((span) => service(span) === 'flowspan-collector');
        const one = spans.find(({ name }) => name === 'INSERT requests');
        const other = spans.find(({ name }) => name === 'drain');
        return one && other && ([one, other] as const);
      },
      EXPORTED_WITHIN_MS,
    );
    assert.equal(insert.kind, CLIENT);
    assert.equal(insert.attributes['flowspan.segment.outcome'], 'stored');
    assert.equal(insert.attributes['flowspan.segment.attempts'], '1');
    assert.ok(Number(insert.attributes['flowspan.segment.bytes']) > 0);
    const statement = await eventually(
      'the statement',
      () => ownSpans().find((span) => span.parentSpanId === insert.spanId && service(span) === 'flowspan-store'),
      EXPORTED_WITHIN_MS,
    );
    assert.deepEqual([statement.name, statement.traceId], ['INSERT requests', insert.traceId]);
    assert.equal(statement.attributes['db.operation.batch.size'], insert.attributes['db.operation.batch.size']);
    assert.ok(Number(drain.attributes['flowspan.drain.records']) > 0);
  });

  it('sending spans makes rows, but no spans', async () => {
    const { port } = new URL(otel.endpoint);
    const exports = await eventually(
      'exports in the store',
      async () => {
        const rows = await flowspan.query<{ trace_id: string; observation_point: string }>(
          `SELECT lower(hex(trace_id)) AS trace_id, observation_point FROM requests WHERE destination_port = ${port} AND http_path = '/v1/traces'`,
        );
        // three processes, and the collector's spans of requests
        return rows.length >= 8 ? rows : undefined;
      },
      EXPORTED_WITHIN_MS,
    );
    assert.deepEqual(new Set(exports.map((row) => row.observation_point)), new Set(['client', 'server']));
    assert.deepEqual(
      exports.filter((row) => !row.trace_id.startsWith(EXPORT_TRACE_PREFIX)),
      [],
    );
    const about = otel.spans().filter((span) => span.attributes['server.port'] === port);
    assert.deepEqual(about, []);
  });

  it('none is lost, and each process tells how many it sent', async () => {
    for (const url of [flowspan.storeUrl, flowspan.collectorUrl, flowspan.queryApiUrl]) {
      const text = await (await fetch(`${url}/metrics`)).text();
      assert.ok(seriesValue(text, 'flowspan_own_spans_exported_total') > 0, url);
      assert.equal(seriesValue(text, 'flowspan_own_spans_lost_total{reason="queue_full"}'), 0, url);
      assert.equal(seriesValue(text, 'flowspan_own_spans_lost_total{reason="export_failed"}'), 0, url);
    }
  });

  it('the last spans are sent at the end, and the end is not late', async () => {
    const traceId = 'f'.repeat(32);
    await (await ask('/v1/flows?since=5m', { traceparent: `00-${traceId}-${PARENT_SPAN_ID}-01` })).text();
    await flowspan.stop();
    assert.doesNotMatch(flowspan.output(), /did not end within|could not finish in time/);
    await eventually('the last spans', () => ownSpans().some((span) => span.traceId === traceId), 5000);
  });
});
