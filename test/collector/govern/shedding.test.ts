/** Which records get a row at which level, and what their weights add up to; through the whole data path. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CGROUPS_BEYOND } from '../../../collector/src/govern/cgroup_loads.ts';
import { LEVELS } from '../../../collector/src/govern/levels.ts';
import { CLIENT, event, flow, PAIR, SERVER } from '../support/named_ends.ts';
import { openPath, type Row } from '../support/path.ts';
import { connection, requestRecord, type Values } from '../support/records.ts';

const REQUESTS = 6000;

const request = (values: Values, traceparent = '') =>
  requestRecord({ traceparent }, { ...connection(SERVER), duration_ns: 1_000_000, ...values });
const sequences = (at: number): Values => ({ request_sequence: 1000 + 97 * at, response_sequence: 5000 + 211 * at });
const sum = (rows: readonly Row[]) => rows.reduce((total, row) => total + Number(row.sample_weight), 0);

function feed(path: ReturnType<typeof openPath>, records: readonly Buffer[]): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < records.length; at += 1000)
    rows.push(...path.feed('requests', ...records.slice(at, at + 1000)));
  return rows;
}

test('rows that were kept stand for the others; metrics count every request', () => {
  for (const number of [0, 1, 4, 6, 10]) {
    const path = openPath(PAIR);
    const level = LEVELS[number]!;
    const { requestWeight } = level;
    path.shedding.level = level;
    const rows = feed(
      path,
      Array.from({ length: REQUESTS }, (_, at) => request(sequences(at))),
    );
    const { read, rows: made, aggregated } = path.counters.kinds.request;
    assert.deepEqual([read, made + aggregated, made], [REQUESTS, REQUESTS, rows.length]);
    assert.deepEqual(new Set(rows.map((row) => row.sample_weight)), new Set([requestWeight]));
    const deviation = Math.sqrt(REQUESTS * (requestWeight - 1));
    assert.ok(Math.abs(sum(rows) - REQUESTS) <= 4 * deviation, `level ${number}: ${sum(rows)} of ${REQUESTS}`);
    let counted = 0;
    for (const family of path.metrics.families('text')) {
      if (family.name === 'flowspan_http_requests_total') for (const { value } of family.samples) counted += value;
    }
    assert.equal(counted, REQUESTS);
  }
});

test('what failed, was slow or met trouble keeps its row and stands for itself', () => {
  const path = openPath(PAIR);
  path.shedding.level = LEVELS[6]!;
  const troubles: Values[] = [
    { http_status_code: 503 },
    { http_status_code: 0, request_end: 'timeout' },
    { duration_ns: 1_000_000_000 },
    { retransmitted_segments: 1 },
    { timeouts: 1 },
    { zero_window_ns: 1n << 33n },
  ];
  const rows = feed(
    path,
    troubles.flatMap((values) => Array.from({ length: 100 }, (_, at) => request({ ...sequences(at), ...values }))),
  );
  assert.deepEqual([rows.length, sum(rows)], [600, 600]);
  path.shedding.level = LEVELS[9]!;
  const fewer = feed(
    path,
    Array.from({ length: REQUESTS }, (_, at) => request({ ...sequences(at), http_status_code: 503 })),
  );
  assert.deepEqual(new Set(fewer.map((row) => row.sample_weight)), new Set([8]));
  assert.ok(Math.abs(sum(fewer) - REQUESTS) <= 4 * Math.sqrt(REQUESTS * 7));
});

test('both ends keep the same requests, a trace stays whole, and deeper levels keep some of what others keep', () => {
  const trace = (at: number) =>
    `00-${(BigInt(at + 1) * 0x9e3779b97f4a7c15f39cc0605cedc834n).toString(16).padStart(32, '0').slice(-32)}-00f067aa0ba902b7-01`;
  const kept = (level: number, values: Values, traced: boolean) => {
    const path = openPath(PAIR);
    path.shedding.level = LEVELS[level]!;
    const records = Array.from({ length: 2000 }, (_, at) =>
      request({ ...sequences(at), ...values, request_index: at }, traced ? trace(at) : ''),
    );
    return feed(path, records).map((row) => Number(row.request_index));
  };
  const atServer = kept(3, {}, false);
  assert.deepEqual(kept(3, CLIENT, false), atServer);
  const shallow = new Set(atServer);
  assert.ok(kept(6, {}, false).every((index) => shallow.has(index)));
  const traced = kept(3, {}, true);
  assert.ok(traced.length > 0 && traced.length < 2000);
  assert.deepEqual(kept(3, { request_sequence: 7, response_sequence: 9 }, true), traced);
});

test('what the kernel shed of a noisy cgroup is in weights and metrics; both choices are one', () => {
  const path = openPath(PAIR);
  const records = [request({ ...sequences(1), sample_weight: 16 }), request({ ...sequences(2), sample_weight: 1 })];
  assert.deepEqual(
    feed(path, records).map((row) => row.sample_weight),
    [16, 1],
  );
  path.shedding.level = LEVELS[2]!;
  const rows = feed(
    path,
    Array.from({ length: 1000 }, (_, at) => request({ ...sequences(at), sample_weight: 16 })),
  );
  assert.deepEqual([rows.length, sum(rows)], [1000, 16_000], 'one of 16 is stricter than one of 4');
  const loads = path.loads.take();
  assert.deepEqual(loads, [
    { cgroup: loads[0]!.cgroup, kind: 'request', observationPoint: 2, taken: 1002, offered: 16_017 },
  ]);
  assert.deepEqual(path.loads.take(), []);
});

test('TCP events become counts, flows never do', () => {
  const path = openPath(PAIR);
  path.shedding.level = LEVELS[7]!;
  const reset = event({ ...SERVER, event_kind: 'reset_received', sent_by: 'client' });
  assert.deepEqual(path.feed('tcp_events', reset, reset), []);
  assert.equal(path.counters.kinds.tcp_event.aggregated, 2);
  path.shedding.level = LEVELS.at(-1)!;
  assert.equal(path.feed('flows', flow({ ...SERVER, flow_state: 'active' })).length, 1);
  path.shedding.level = LEVELS[0]!;
  const weighted = event({ ...SERVER, event_kind: 'reset_received', sent_by: 'client', sample_weight: 4 });
  assert.deepEqual(
    path.feed('tcp_events', weighted, reset).map((row) => row.sample_weight),
    [4, 1],
  );
  let resets = 0;
  for (const family of path.metrics.families('text')) {
    if (family.name === 'flowspan_tcp_resets_total') for (const { value } of family.samples) resets += value;
  }
  assert.equal(resets, 2 + 4 + 1);
});

test('cgroups beyond the table are counted together', () => {
  const path = openPath(PAIR);
  // such as begin like the number that those beyond are counted as, too
  for (const low of [1n << 20n, 0xffff_ffffn]) {
    const records = Array.from({ length: 3000 }, (_, at) =>
      request({ ...sequences(at), owner_cgroup_id: (BigInt(at + 1) << 32n) + low, socket_cgroup_id: 1n }),
    );
    feed(path, records);
    const loads = path.loads.take();
    assert.equal(loads.length, 768 + 1);
    assert.equal(
      loads.reduce((total, { taken }) => total + taken, 0),
      3000,
    );
    assert.equal(loads.find(({ cgroup }) => cgroup === CGROUPS_BEYOND)?.taken, 3000 - 768);
  }
});
