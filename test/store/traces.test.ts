import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  HOP_KEY_SQL,
  hopKey,
  PARENT_SPAN_ID_SQL,
  parentSpanId,
  REQUEST_ID_SQL,
  type RequestIdentity,
  requestId,
  requestIdCondition,
  SPAN_ID_SQL,
  spanId,
  TRACE_ID_SQL,
  traceId,
} from '../../store/ids.ts';
import { migrate } from '../../store/migrate.ts';
import { decodeRows } from '../../store/rowbinary.ts';
import { REQUESTS } from '../../store/tables.ts';
import { insertSql, requestColumns } from './generated_rows.ts';
import { RunningStore } from './running_store.ts';

const BEGIN = "toDateTime64(toStartOfHour(now() - 86400), 9, 'UTC')";
const COUNT = 300_000;

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
  await store.writer().command({ query: insertSql(REQUESTS, requestColumns(BEGIN, 100_000_000), COUNT) });
  await store.writer().insert({
    table: 'flowspan.endpoints',
    values: [1, 2, 3, 4].map((id) => ({
      endpoint_id: id,
      kind: 'unit',
      workload: `w${id}.service`,
      name: `w${id}.service`,
      valid_from: '2026-01-01 00:00:00',
      valid_to: '2262-01-01 00:00:00',
      updated: '2026-01-01 00:00:00',
    })),
    format: 'JSONEachRow',
  });
});
after(() => store.close());

interface Answer<Row> {
  readonly data: Row[];
  readonly rows_read: number;
}

async function ask<Row = Record<string, unknown>>(query: string): Promise<Answer<Row>> {
  const result = await store
    .reader()
    .query({ query, format: 'JSON', clickhouse_settings: { output_format_json_quote_64bit_integers: 1 } });
  const { data, statistics } = await result.json<Row>();
  return { data, rows_read: statistics!.rows_read };
}

test('ids in SQL equal those in TypeScript', async () => {
  const names = REQUESTS.columns.map(({ name }) => name).join(', ');
  const answer = await fetch(
    `${store.url}/?query=SELECT ${names} FROM flowspan.requests ORDER BY time LIMIT 50 FORMAT RowBinary`,
  );
  const rows = decodeRows(REQUESTS, await answer.bytes());
  const { data } = await ask<Record<string, string>>(
    `SELECT ${REQUEST_ID_SQL} AS request, ${HOP_KEY_SQL} AS hop, ${SPAN_ID_SQL} AS span, ${PARENT_SPAN_ID_SQL} AS parent,
       ${TRACE_ID_SQL} AS trace FROM flowspan.requests ORDER BY time LIMIT 50`,
  );
  assert.equal(rows.length, 50);
  const made = rows.map((row) => {
    const identity = row as unknown as RequestIdentity;
    const [request, hop, span] = [requestId(identity), hopKey(identity), spanId(identity)];
    return { request, hop, span, parent: parentSpanId(identity), trace: traceId(identity) };
  });
  assert.deepEqual(data, made);
  for (const parent of [/^$/, /^6162636465666768$/, /^(?!6162)[0-9a-f]{16}$/]) {
    assert.ok(
      made.some((row) => parent.test(row.parent)),
      `some row with a parent like ${parent}`,
    );
  }
});

test('both ends of a request have one trace, and the server has the client for its parent', () => {
  const seen = { request_sequence: 4_294_967_295, response_sequence: 0, time: 1_700_000_100_000_000_000n };
  const none = { destination_endpoint_id: null, source_endpoint_id: null, trace_id: null, parent_span_id: null };
  const client: RequestIdentity = { ...seen, ...none, observation_point: 'client', peer_observed: true };
  const server: RequestIdentity = { ...client, observation_point: 'server', time: 1_700_000_399_999_999_999n };
  assert.equal(hopKey(client), '4294967295/0');
  assert.equal(traceId(server), traceId(client));
  assert.equal(traceId(client).slice(0, 8), (1_700_000_100).toString(16));
  assert.equal(parentSpanId(server), spanId(client));
  assert.equal(parentSpanId(client), '');
  assert.notEqual(spanId(server), spanId(client));
  assert.equal(parentSpanId({ ...server, peer_observed: false }), '', 'no parent that nobody sends');
  const sent = { trace_id: '0af7651916cd43dd8448eb211c80319c', parent_span_id: 'b7ad6b7169203331' };
  for (const end of [client, server]) {
    assert.deepEqual([traceId({ ...end, ...sent }), parentSpanId({ ...end, ...sent })], Object.values(sent));
  }
});

test('a request id finds its row and reads a few granules', async () => {
  const { data } = await ask<{ id: string; path: string }>(
    `SELECT ${REQUEST_ID_SQL} AS id FROM flowspan.requests WHERE source_port % 1000 = 7 ORDER BY time DESC LIMIT 1`,
  );
  const found = await ask<{ id: string }>(
    `SELECT ${REQUEST_ID_SQL} AS id FROM flowspan.requests WHERE ${requestIdCondition(data[0]!.id)}`,
  );
  assert.deepEqual(found.data, [{ id: data[0]!.id }]);
  assert.ok(found.rows_read <= 8192 * 2, `read ${found.rows_read} rows`);
  assert.throws(() => requestIdCondition('x'), { code: 'FLOW_STORE_REQUEST_ID' });
});

for (const [what, condition] of [
  ['derived', "ParentSpanId = ''"],
  ['sent', "ParentSpanId = '6162636465666768'"],
] as const) {
  test(`a trace with a ${what} id opens as Grafana opens it, without a scan`, async () => {
    const { data } = await ask<{ TraceId: string }>(
      `SELECT TraceId FROM flowspan.otel_traces WHERE ${condition} AND ServiceName = 'w3.service' LIMIT 1`,
    );
    const id = data[0]!.TraceId;
    assert.match(id, /^[0-9a-f]{32}$/);
    const trace = await ask(`
      WITH '${id}' AS trace_id,
        (SELECT min(Start) FROM flowspan.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS trace_start,
        (SELECT max(End) + 1 FROM flowspan.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS trace_end
      SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, ServiceName AS serviceName,
        SpanName AS operationName, Timestamp AS startTime, multiply(Duration, 0.000001) AS duration, StatusCode,
        arrayMap(key -> map('key', key, 'value', SpanAttributes[key]), mapKeys(SpanAttributes)) AS tags,
        arrayMap(key -> map('key', key, 'value', ResourceAttributes[key]), mapKeys(ResourceAttributes)) AS serviceTags
      FROM flowspan.otel_traces
      WHERE traceID = trace_id AND startTime >= trace_start AND startTime <= trace_end LIMIT 1000`);
    assert.equal(trace.data.length, what === 'sent' ? 2 : 1);
    assert.ok(trace.rows_read <= COUNT / 5, `read ${trace.rows_read} of ${COUNT} rows`);
  });
}

test('a search over a quarter of an hour reads no more than that', async () => {
  const found = await ask(`
    SELECT TraceId AS traceID, ServiceName AS serviceName, SpanName AS operationName, Timestamp AS startTime
    FROM flowspan.otel_traces
    WHERE Timestamp >= now() - 86400 + 7200 AND Timestamp <= now() - 86400 + 8100 AND ServiceName = 'w3.service'
    ORDER BY Timestamp DESC LIMIT 100`);
  assert.equal(found.data.length, 100);
  assert.ok(found.rows_read <= COUNT / 5, `read ${found.rows_read} of ${COUNT} rows`);
});

interface Span {
  readonly SpanName: string;
  readonly SpanId: string;
  readonly StatusCode: string;
  readonly SpanAttributes: Record<string, string>;
  readonly ResourceAttributes: Record<string, string>;
}

test('spans carry what a trace view shows', async () => {
  const { data } = await ask<Span>(
    "SELECT * FROM flowspan.otel_traces WHERE SpanKind = 'Server' AND ServiceName = 'w3.service' AND StatusCode = 'Error' LIMIT 1",
  );
  const [span] = data;
  assert.match(span!.SpanName, /^GET \/r\/\d$/);
  assert.equal(span!.SpanAttributes['http.response.status_code'], '200');
  assert.deepEqual(Object.keys(span!.ResourceAttributes).sort(), [
    ...['host.name', 'k8s.cluster.name', 'service.instance.id', 'service.name', 'telemetry.distro.name'],
  ]);
  assert.equal(span!.ResourceAttributes['service.name'], 'w3.service');
  assert.match(span!.SpanId, /^[0-9a-f]{16}$/);
});

test('named views give names, and addresses where there is no name', async () => {
  const { data } = await ask<Record<string, string>>(
    'SELECT DISTINCT destination_endpoint_id AS id, destination, destination_kind FROM flowspan.requests_named ORDER BY id',
  );
  assert.deepEqual(data[0], { id: '1', destination: 'w1.service', destination_kind: 'unit' });
  assert.deepEqual(data.at(-1), { id: '7', destination: '2001:db8::2', destination_kind: '' });
  const edges = await ask('SELECT DISTINCT source, destination FROM flowspan.edges_1m_named ORDER BY ALL LIMIT 1');
  assert.deepEqual(edges.data, [{ source: '', destination: '' }]);
});

test('names, status and attributes are what the semantic conventions for HTTP ask for', async () => {
  const spans = async (values: Record<string, string>): Promise<Span[]> => {
    const columns = {
      ...requestColumns(BEGIN, 1),
      trace_id: "unhex('0af7651916cd43dd8448eb211c80319d')",
      has_trace: '1',
    };
    const fixed = { time: 'now64(9)', destination_endpoint_id: '3', pid: '77', peer_observed: 'true' };
    const row = { ...columns, ...fixed, ...values };
    await store.writer().command({ query: `TRUNCATE TABLE flowspan.requests` });
    await store.writer().command({ query: insertSql(REQUESTS, row, 2) });
    return (await ask<Span>('SELECT * FROM flowspan.otel_traces ORDER BY SpanKind')).data;
  };
  const missing = { http_status_code: '404', status: "'404'", outcome: "'client_error'", error_type: "'404'" };
  const url = { http_host: "'shop.test:8080'", http_path: "'/cart'", http_query: "'page=REDACTED'" };
  const dialled = {
    ...{ service_namespace: "'shop'", service_name: "'web'", container_id: "'ab'" },
    ...{ backend_address: "toIPv6('10.1.0.5')", backend_port: '8080' },
  };
  const asked = { ...missing, ...url, ...dialled, resource: "'/cart'", span_decision: "'slow'" };
  const [client, server] = await spans(asked);
  for (const { SpanAttributes: of } of [client!, server!]) {
    assert.deepEqual([of['flowspan.service_namespace'], of['flowspan.service_name']], ['shop', 'web']);
    assert.deepEqual([of['flowspan.backend_address'], of['flowspan.backend_port']], ['10.1.0.5', '8080']);
    assert.equal(of['container.id'], 'ab');
  }
  assert.deepEqual([client!.StatusCode, client!.SpanAttributes['error.type']], ['Error', '404']);
  assert.deepEqual([server!.StatusCode, server!.SpanAttributes['error.type']], ['Unset', undefined]);
  assert.deepEqual([client!.SpanName, server!.SpanName], ['GET /cart', 'GET /cart']);
  assert.equal(client!.SpanAttributes['url.full'], 'http://shop.test:8080/cart?page=REDACTED');
  assert.deepEqual([client!.SpanAttributes['url.path'], client!.SpanAttributes['http.route']], [undefined, undefined]);
  const { SpanAttributes: told } = server!;
  assert.deepEqual([told['url.path'], told['url.query'], told['http.route']], ['/cart', 'page=REDACTED', '/cart']);
  assert.deepEqual([told['server.address'], told['server.port'], told['process.pid']], ['shop.test', '8080', '77']);
  assert.deepEqual([told['flowspan.sampling.decision'], told['flowspan.peer_observed']], ['slow', 'true']);
  assert.match(told['flowspan.request_id']!, /^[0-9a-f]{64}$/);

  const [, odd] = await spans({
    operation: "'PROPFIND'",
    http_host: "'[::1]'",
    resource: "'/dav'",
    http_version: '10',
  });
  assert.equal(odd!.SpanName, 'HTTP /dav');
  assert.equal(odd!.SpanAttributes['http.request.method'], '_OTHER');
  assert.equal(odd!.SpanAttributes['http.request.method_original'], 'PROPFIND');
  assert.deepEqual([odd!.SpanAttributes['server.address'], odd!.SpanAttributes['server.port']], ['::1', '80']);
  assert.equal(odd!.SpanAttributes['network.protocol.version'], '1.0');

  const [, nameless] = await spans({ operation: "'_OTHER'", resource: "''" });
  assert.equal(nameless!.SpanName, 'HTTP');
  const unsaid = Object.keys(nameless!.SpanAttributes).filter((name) => /^container|service_|backend_/.test(name));
  assert.deepEqual(unsaid, []);
  assert.deepEqual(
    [nameless!.SpanAttributes['http.request.method'], nameless!.SpanAttributes['http.request.method_original']],
    ['_OTHER', undefined],
  );
  assert.equal(nameless!.SpanAttributes['server.address'], '2001:db8::2');
  const [hostless] = await spans({ http_path: "'*'", ip_version: '6', destination_port: '8080' });
  assert.equal(hostless!.SpanAttributes['url.full'], 'http://[2001:db8::2]:8080');
  assert.equal(nameless!.SpanAttributes['flowspan.sampling.decision'], undefined);
});
