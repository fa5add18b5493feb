/** How many edges and label values there may be, and edges that come, go and change their name. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Identity } from '../../collector/src/control/identity.ts';
import { byName, whyNoJudge } from '../support/metrics.ts';
import { edgeSeries, ends, openWith, read } from './support/edge_path.ts';
import { requestRecord } from './support/records.ts';

const skip = whyNoJudge() ?? false;

test('what finds no room as a row is counted all the same', { skip }, async () => {
  const path = openWith(['shop', 'cart']);
  path.memory.full = true;
  assert.deepEqual(path.feed('requests', requestRecord({}, ends('server', 2))), []);
  const counted = [...(await edgeSeries(path))].filter(([name]) => name.startsWith('flowspan_http_requests_total'));
  assert.deepEqual(counted.filter(([, value]) => value > 0).length, 1);
});

test('edges beyond the bound are counted together; idle ones are given up, and begin anew', { skip }, async () => {
  const workloads = ['shop', 'a', 'b', 'c', 'd'];
  const path = openWith(workloads, { metrics: { max_edges: 2, edge_idle_s: 10 } });
  const { edges } = path.metrics;
  const request = (server: number) => path.feed('requests', requestRecord({}, ends('server', server)));
  const counts = async () => {
    const counted = [...(await edgeSeries(path))].filter(([name]) => name.startsWith('flowspan_http_requests_total'));
    return Object.fromEntries(
      counted
        .filter(([, value]) => value > 0)
        .map(([name, value]) => [/destination_workload="([^"]+)"/.exec(name)?.[1] as string, value]),
    );
  };
  // The pipeline gives the machine's time; here it is ours.
  const at = performance.now();
  for (const server of [2, 2, 3, 4, 5, 5]) request(server);
  assert.deepEqual(await counts(), { a: 2, b: 1, _overflow: 3 });
  const overflow = [...(await edgeSeries(path)).keys()].find((name) => name.includes('_overflow')) as string;
  assert.match(overflow, /source_namespace="",source_workload="_overflow"/);
  assert.deepEqual([edges.count, edges.overflowRecords, edges.expired], [2, 3, 0]);
  path.metrics.begin(at + 9_000);
  assert.equal(edges.count, 2);
  path.metrics.begin(at + 30_000);
  assert.deepEqual([edges.count, edges.expired], [0, 2]);
  assert.deepEqual(await counts(), { _overflow: 3 });
  // There is room again: for what had none as well.
  request(5);
  request(2);
  assert.deepEqual(await counts(), { d: 1, a: 1, _overflow: 3 });
  const graph = [...byName(await read(path))].filter(([name]) => name.startsWith('traces_service_graph_request_total'));
  assert.deepEqual(graph.map(([name, value]) => [/server="([^"]*)"/.exec(name)?.[1], value]).toSorted(), [
    ['_overflow', 3],
    ['a', 1],
    ['d', 1],
  ]);
});

test('an edge that is given up and comes back while an answer is written is not in it twice', { skip }, async () => {
  const path = openWith(['shop', 'a', 'b'], { metrics: { max_edges: 10, edge_idle_s: 10 } });
  const request = (server: number) => path.feed('requests', requestRecord({}, ends('server', server)));
  const at = performance.now();
  request(2);
  request(3);
  const pieces: string[] = [];
  for (const family of path.metrics.families('openmetrics')) {
    if (family.name !== 'flowspan_http_requests_total') continue;
    for (const { labels } of family.samples) {
      pieces.push(labels);
      path.metrics.begin(at + 30_000);
      for (const server of [3, 2]) request(server);
    }
  }
  assert.equal(new Set(pieces).size, pieces.length);
  assert.equal(pieces.length, 1);
});

test('a label with any number of values has 64 on one edge, and then _other', { skip }, async () => {
  const path = openWith(['shop', 'a']);
  for (let status = 100; status < 1000; status += 1) {
    path.feed('requests', requestRecord({}, { ...ends('server', 2), http_status_code: status }));
  }
  const codes = [...(await edgeSeries(path))].filter(([name]) => name.startsWith('flowspan_http_requests_total'));
  const others = codes.filter(([name]) => name.includes('http_status_code="_other"'));
  assert.ok(codes.length < 70, `${codes.length}`);
  assert.ok(others.length >= 1);
  assert.equal(
    codes.reduce((sum, [, value]) => sum + value, 0),
    900,
  );
});

test('an endpoint that gets another workload gets another edge', { skip }, async () => {
  const path = openWith(['shop', 'old']);
  path.feed('requests', requestRecord({}, ends('server', 2)));
  const number = Array.from({ length: path.endpoints.count }, (_, index) => index + 1).find(
    (each) => path.endpoints.identity(each)?.workload === 'old',
  ) as number;
  const identity = path.endpoints.identity(number) as Identity;
  path.endpoints.number({ ...identity, workload: 'new' }, 0, 1n);
  path.feed('requests', requestRecord({}, ends('server', 2)));
  const counted = [...(await edgeSeries(path))].filter(([name]) => name.startsWith('flowspan_http_requests_total'));
  assert.deepEqual(
    counted
      .filter(([, value]) => value > 0)
      .map(([name, value]) => [/destination_workload="([^"]+)"/.exec(name)?.[1], value]),
    [
      ['old', 1],
      ['new', 1],
    ],
  );
});
