/** Families about edges against the rows that the same records became. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Identity } from '../../collector/src/control/identity.ts';
import { spanId, traceId } from '../../store/ids.ts';
import { byName, promtoolComplaints, seriesName, whyNoJudge } from '../support/metrics.ts';
import { edgeSeries, ends, openWith, type Path, read, textOf } from './support/edge_path.ts';
import { differingSeries, type Names, seriesOfRows } from './support/edges.ts';
import type { Row } from './support/path.ts';
import { record, requestRecord, type Values } from './support/records.ts';

const skip = whyNoJudge() ?? false;

function namesOf(path: Path): Names {
  const identities = new Map<string, Identity>();
  for (let number = 1; number <= path.endpoints.count; number += 1) {
    const identity = path.endpoints.identity(number) as Identity;
    identities.set(String(identity.id), identity);
  }
  return (id) => {
    const identity = identities.get(String(id));
    return identity === undefined ? ['', 'unknown'] : [identity.namespace, identity.workload];
  };
}

test('every number equals the rows of the same records', { skip }, async () => {
  const path = openWith(['shop', 'cart', 'catalog', 'payments']);
  const rows = { flows: [] as Row[], requests: [] as Row[], events: [] as Row[] };
  let state = 42;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const one = <T>(...values: readonly T[]): T => values[random(values.length)] as T;
  for (let turn = 0; turn < 3000; turn += 1) {
    const at = { ...ends(one('client', 'server'), 2 + random(3)), time_boot_ns: BigInt(5_000_000_000 + turn) };
    rows.flows.push(
      ...path.feed(
        'flows',
        record('flow', {
          ...at,
          protocol: one(6, 6, 6, 17),
          flow_state: one('opened', 'active', 'closed'),
          close_cause: one('none', 'fin', 'reset', 'timeout'),
          application_protocol: one('empty', 'http1', 'http2', 'tls', 'other'),
          bytes_sent: one(0, random(1e9), 2 ** 40),
          bytes_received: one(0, random(1e9)),
          bytes_retransmitted: one(0, 0, random(10_000)),
          segments_sent: random(1e6),
          segments_received: random(1e6),
          srtt_us: one(0, 99, 100, 101, random(3_000_000)),
        }),
      ),
    );
    rows.requests.push(
      ...path.feed(
        'requests',
        requestRecord(
          { target: '/x' },
          {
            ...at,
            http_status_code: one(0, 200, 204, 404, 500, 503),
            request_end: one('complete', 'connection_reset', 'connection_closed', 'timeout'),
            duration_ns: one(1_000_000, 1_000_001, 10_000_000_000, 10_000_000_001, random(2e9)),
            request_sent_ns: random(1e6),
            application_read_ns: one(0, random(2e6)),
            response_start_ns: one(0, random(1e9)),
            request_sequence: random(2e9),
            response_sequence: random(2e9),
          },
        ),
      ),
    );
    rows.events.push(
      ...path.feed(
        'tcp_events',
        record('tcp_event', {
          ...at,
          event_kind: 1 + random(7),
          retransmit_cause: random(6),
          sent_by: random(3),
          segments: 1 + random(10),
          drop_reason: one(0, 2, 3, 77),
          error_number: one(0, 101, 104, 110, 111, 113, 3000),
        }),
      ),
    );
  }
  assert.equal(rows.flows.length + rows.requests.length + rows.events.length, 9000);
  const found = await edgeSeries(path);
  assert.deepEqual(differingSeries(found, seriesOfRows(rows, namesOf(path))), []);
  assert.ok([...found.values()].filter((value) => value > 0).length > 300);
});

test('all families about edges have the same identity labels, a unit and a sentence', { skip }, async () => {
  const path = openWith(['shop', 'cart']);
  const identity = ['cluster', 'source_namespace', 'source_workload', 'destination_namespace', 'destination_workload'];
  for (const { name, labels, unit, help } of path.metrics.infos) {
    if (name.startsWith('flowspan_')) assert.deepEqual(labels.slice(0, 6), [...identity, 'observation_point'], name);
    assert.match(help, new RegExp(`^[A-Z].+\\. Unit: ${unit}\\.$`), name);
  }
  path.feed('requests', requestRecord({}, ends('server', 2)));
  path.feed('flows', record('flow', { ...ends('client', 2), bytes_sent: 10, srtt_us: 10, flow_state: 'opened' }));
  for (const { name, unit, lines } of await read(path)) {
    if (/_(seconds|bytes)$/.test(name)) assert.equal(unit, name.split('_').at(-1), name);
    for (const { labels } of lines) {
      const published = path.metrics.infos.find((info) => info.name.replace(/_total$/, '') === name)?.labels;
      const shown = Object.keys(labels).filter((label) => label !== 'le');
      assert.deepEqual(shown, published, name);
    }
  }
});

test('what a rate is taken of is there with 0 before it first happens', { skip }, async () => {
  const path = openWith(['shop', 'cart']);
  path.feed('flows', record('flow', { ...ends('client', 2), segments_sent: 5 }));
  const zero = [...(await edgeSeries(path))].filter(([, value]) => value === 0).map(([name]) => name);
  for (const cause of ['timeout', 'fast', 'tail_loss_probe', 'syn']) {
    assert.ok(zero.some((name) => name.includes('retransmitted_segments_total{') && name.includes(`cause="${cause}"`)));
  }
  path.feed('requests', requestRecord({}, ends('server', 2)));
  const errors = [...(await edgeSeries(path))].filter(([name]) => /requests_total.*outcome="(server|no_)/.test(name));
  assert.deepEqual(
    errors.map(([name, value]) => [/http_status_code="(\d*)"/.exec(name)?.[1], value]).toSorted(),
    ['', '500', '502', '503', '504'].map((code) => [code, 0]),
  );
  const sides = (family: string) =>
    zero.filter((name) => name.startsWith(`flowspan_${family}{`)).map((name) => /sent_by="(\w+)"/.exec(name)?.[1]);
  assert.deepEqual(sides('tcp_resets_total').toSorted(), ['client', 'server']);
  // A client hears only of the windows that the server closed.
  assert.deepEqual(sides('tcp_zero_windows_total'), ['server']);
  assert.ok(zero.some((name) => name.includes('connections_closed_total{') && name.includes('close_cause="reset"')));
});

test('label values survive whatever a workload is called', { skip }, async () => {
  const hostile = ['quo"te', 'new\nline', 'back\\slash\\n', 'tab\tand\u0000nul', 'ünï©ode\u{1f980}', 'lone\ud800half'];
  const path = openWith(['{shop="x"}', ...hostile]);
  for (const [index] of hostile.entries()) {
    path.feed('flows', record('flow', ends('client', index + 2)));
    path.feed('requests', requestRecord({}, ends('server', index + 2)));
  }
  assert.equal(promtoolComplaints(await textOf(path, 'text')), '');
  const families = await read(path);
  const lines =
    families.find(({ name }) => name === 'flowspan_http_requests')?.lines.filter(({ value }) => value > 0) ?? [];
  const shown = lines.map(({ labels }) => labels.destination_workload);
  assert.deepEqual(shown.toSorted(), hostile.map((name) => name.toWellFormed()).toSorted());
  assert.ok(lines.every(({ labels }) => labels.source_workload === '{shop="x"}'));
});

test('exemplars are requests of their bucket, by the ids of their rows, one a second', { skip }, async () => {
  const path = openWith(['shop', 'a']);
  const rows: Row[] = [];
  const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
  const seconds = [5, 5.6, 6.2, 7, 8, 9];
  for (const [index, ms] of [0.5, 0.6, 3, 3, 40_000, 200].entries()) {
    const values = {
      ...ends('server', 2),
      duration_ns: ms * 1e6,
      time_boot_ns: BigInt((seconds[index] as number) * 1e9),
      request_sequence: 77 + index,
      response_sequence: 4_000_000_000 + index,
    };
    rows.push(...path.feed('requests', requestRecord(index === 5 ? { traceparent } : {}, values)));
  }
  const families = await read(path);
  const lines = families.find(({ name }) => name === 'flowspan_http_request_duration_seconds')?.lines ?? [];
  const exemplars = lines.flatMap(({ labels, exemplar }) =>
    exemplar === undefined ? [] : [{ le: labels.le, exemplar }],
  );
  const ids = (row: Row) => {
    const identity = row as unknown as Parameters<typeof traceId>[0] & Parameters<typeof spanId>[0];
    return { trace_id: traceId(identity), span_id: spanId(identity) };
  };
  // The second of the two first ones is of the same second; the second of 3 ms is of a later one.
  assert.deepEqual(exemplars, [
    { le: '0.001', exemplar: { labels: ids(rows[0]!), value: 0.0005 } },
    { le: '0.005', exemplar: { labels: ids(rows[3]!), value: 0.003 } },
    { le: '0.25', exemplar: { labels: ids(rows[5]!), value: 0.2 } },
    { le: '+Inf', exemplar: { labels: ids(rows[4]!), value: 40 } },
  ]);
  assert.equal(exemplars[2]?.exemplar.labels.trace_id, 'ab'.repeat(16));
  assert.doesNotMatch(await textOf(path, 'text'), /trace_id/);
  const without = openWith(['shop', 'a'], { metrics: { exemplars: false } });
  without.feed('requests', requestRecord({}, ends('server', 2)));
  assert.doesNotMatch(await textOf(without), /trace_id/);
});

test('the service graph has each request once, as its server saw it where it was watched', { skip }, async () => {
  const path = openWith(['shop', 'a', 'b']);
  const request = (point: 'client' | 'server', server: number, values: Values = {}) =>
    requestRecord({}, { ...ends(point, server), duration_ns: 2_000_000, ...values });
  // Both ends of a are watched, of b only the client.
  path.feed('flows', record('flow', ends('client', 2)), record('flow', ends('server', 2)));
  const failed = { http_status_code: 503 };
  path.feed(
    'requests',
    request('client', 2),
    request('server', 2),
    request('client', 2, failed),
    request('server', 2, failed),
  );
  path.feed('requests', request('client', 3), request('client', 3, { http_status_code: 0, request_end: 'timeout' }));
  const found = byName(await read(path));
  const graph = (name: string, server: string) =>
    found.get(
      seriesName({
        name: `traces_service_graph_${name}`,
        labels: {
          client: 'shop',
          server,
          connection_type: '',
          client_service_namespace: '',
          server_service_namespace: '',
          cluster: 'c',
        },
      }),
    );
  const b = 'unknown';
  assert.deepEqual([graph('request_total', 'a'), graph('request_failed_total', 'a')], [2, 1]);
  assert.deepEqual([graph('request_server_seconds_count', 'a'), graph('request_client_seconds_count', 'a')], [2, 2]);
  assert.deepEqual([graph('request_server_seconds_sum', 'a')], [0.004]);
  assert.deepEqual([graph('request_total', b), graph('request_failed_total', b)], [2, 1]);
  assert.deepEqual(
    [graph('request_server_seconds_count', b), graph('request_client_seconds_count', b)],
    [undefined, 2],
  );
});
