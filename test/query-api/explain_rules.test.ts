/** The rules of explain at their edges: what is a fault, and what is normal traffic. Rows hold only what rules read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answers, Row } from '../../query-api/cli/explain/answers.ts';
import { explain } from '../../query-api/cli/explain/explain.ts';

const EDGE = { source_endpoint_id: '1', destination_endpoint_id: '2', destination_port: 80 };
const PLACE = { ...EDGE, source_address: '10.0.0.1', destination_address: '10.0.0.2' };
const TIMES = { first_time: '2026-11-21T12:00:01.000000000Z', last_time: '2026-11-21T12:00:09.000000000Z' };

/** Answers about one edge, `web -> api:80`, on which 1,000 connections were opened. */
function answers(more: Partial<Answers>, edge: Row = {}): Answers {
  const names = { source_workload: 'web', destination_workload: 'api' };
  return {
    since: '2026-11-21T12:00:00.000000000Z',
    until: '2026-11-21T12:00:10.000000000Z',
    edges: [{ ...EDGE, ...names, connections_opened: '1000', segments: '9000', ...edge }],
    requests: [],
    slow: [],
    slow_at_client: [],
    events: [],
    sent: [
      { ...EDGE, observation_point: 'client', sum_data_segments_sent: '1000' },
      { ...EDGE, observation_point: 'server', sum_data_segments_sent: '2000' },
    ],
    duplicates: [],
    connections: [],
    samples: {},
    completeness: [],
    cut: [],
    ...more,
  };
}

const request = (count: number, more: Row = {}): Row => ({
  ...EDGE,
  ...TIMES,
  outcome: 'ok',
  http_status_code: 200,
  close_cause: 'none',
  closed_by: 'none',
  count: String(count),
  read: String(count),
  avg_duration_ns: 1e6,
  ...more,
});
const retransmit = (count: number, more: Row = {}): Row => ({
  ...PLACE,
  ...TIMES,
  event_kind: 'retransmit',
  retransmit_cause: 'timeout',
  sent_by: 'client',
  error_number: 0,
  count: String(count),
  sum_segments: String(count),
  ...more,
});
const refused = (count: number, more: Row = {}): Row =>
  retransmit(count, { event_kind: 'connect_failed', retransmit_cause: 'none', error_number: 111, ...more });
const overflow = (count: number, more: Row = {}): Row =>
  retransmit(count, { event_kind: 'accept_overflow', retransmit_cause: 'none', ...more });

const causes = (given: Answers) => explain(given).map(({ cause }) => cause);

test('no rows, no findings', () => {
  assert.deepEqual(explain(answers({})), []);
  assert.deepEqual(explain(answers({ edges: [] })), []);
});

test('packet_loss: five retransmits and half a percent of the segments with payload that the same end sent', () => {
  assert.deepEqual(causes(answers({ events: [retransmit(10)] })), ['packet_loss']);
  assert.deepEqual(causes(answers({ events: [retransmit(4, { sum_segments: '400' })] })), []);
  const opened = { connections_opened: '0' };
  assert.deepEqual(causes(answers({ events: [retransmit(5)] }, opened)), ['packet_loss']);
  const long = [{ ...EDGE, observation_point: 'client', sum_data_segments_sent: '100000' }];
  assert.deepEqual(causes(answers({ events: [retransmit(400)], sent: long })), []);
  // the server sends twice as much
  assert.deepEqual(causes(answers({ events: [retransmit(9, { sent_by: 'server' })] })), []);
});

test('packet_loss: what turned out to have arrived was late, not lost', () => {
  const events = [retransmit(87, { retransmit_cause: 'tail_loss_probe' })];
  const needless = { ...PLACE, ...TIMES, sent_by: 'client', count: '87', sum_segments: '87' };
  assert.deepEqual(causes(answers({ events, duplicates: [needless] })), []);
  assert.deepEqual(causes(answers({ events, duplicates: [{ ...needless, sent_by: 'server' }] })), ['packet_loss']);
});

test('packet_loss: says who sent again, why, and how much of what', () => {
  const events = [retransmit(30), retransmit(12, { retransmit_cause: 'fast', sum_segments: '20' })];
  const [finding] = explain(answers({ events }));
  const evidence = Object.fromEntries(finding!.evidence.map(({ name, value, unit }) => [name, [value, unit]]));
  assert.deepEqual(evidence, {
    retransmit_ratio_by_client: [0.025, 'ratio'],
    data_segments_sent_by_client: [2000, 'segments'],
    timeout_by_client: [30, 'segments'],
    fast_by_client: [20, 'segments'],
  });
  assert.deepEqual([finding!.count, finding!.of, finding!.since, finding!.last], [50, 2000, ...Object.values(TIMES)]);
});

test('packet_loss: a host that never answers is gone, its packets are not lost', () => {
  const events = [retransmit(30, { retransmit_cause: 'syn' })];
  assert.deepEqual(causes(answers({ events, sent: [] }, { connections_opened: '0' })), []);
  assert.deepEqual(causes(answers({ events })), ['packet_loss']);
});

test('accept_queue_overflow: explains what its connections sent again, and nothing else', () => {
  const connection = (port: number, row: Row) => ({ ...row, source_port: port });
  const events = [overflow(6), retransmit(8, { retransmit_cause: 'syn' })];
  const connections = [
    connection(1, overflow(3)),
    connection(2, overflow(3)),
    connection(1, retransmit(4, { retransmit_cause: 'syn' })),
    connection(2, retransmit(4, { retransmit_cause: 'syn' })),
  ];
  const [finding, ...more] = explain(answers({ events, connections }));
  assert.deepEqual([finding?.cause, finding?.count, finding?.of, more], ['accept_queue_overflow', 2, 1000, []]);
  const lost = [...events, retransmit(20)];
  assert.deepEqual(causes(answers({ events: lost, connections })).toSorted(), ['accept_queue_overflow', 'packet_loss']);
  assert.deepEqual(causes(answers({ events: [overflow(2)] })), []);
});

test('accept_queue_overflow: what waits to be accepted does not lie unread; later requests do', () => {
  const slow = (first: number, later: number): Row => ({
    ...EDGE,
    ...TIMES,
    count: String(first + later),
    mostly_queue: String(first + later),
    mostly_queue_first: String(first),
  });
  const events = [overflow(6)];
  const requests = [request(50)];
  assert.deepEqual(causes(answers({ events, requests, slow: [slow(20, 0)] })), ['accept_queue_overflow']);
  assert.deepEqual(causes(answers({ requests, slow: [slow(20, 0)] })), ['reads_late']);
  const both = causes(answers({ events, requests, slow: [slow(20, 20)] }));
  assert.deepEqual(both.toSorted(), ['accept_queue_overflow', 'reads_late']);
});

test('accept_queue_overflow: a client whose connection never came to be is known by its address', () => {
  const events = [overflow(20, { source_endpoint_id: null }), retransmit(1, { retransmit_cause: 'syn' })];
  const connections = events.map((row) => ({ ...row, source_port: 7 }));
  const [finding] = explain(answers({ events, connections }));
  assert.equal(finding?.id, 'accept_queue_overflow web -> api:80');
  const two = [...events, retransmit(1, { source_endpoint_id: '3', retransmit_cause: 'syn' })];
  const given = answers({ events: two, connections });
  const other = { ...given.edges[0], source_endpoint_id: '3', source_workload: 'worker' };
  const [unknown] = explain({ ...given, edges: [...given.edges, other] });
  assert.equal(unknown?.id, 'accept_queue_overflow 10.0.0.1 -> api:80');
});

test('connection_refused: three, and one in twenty', () => {
  const few = { connections_opened: '10' };
  assert.deepEqual(causes(answers({ events: [refused(3)] }, few)), ['connection_refused']);
  assert.deepEqual(causes(answers({ events: [refused(2)] }, few)), []);
  assert.deepEqual(causes(answers({ events: [refused(20)] })), []);
  assert.deepEqual(causes(answers({ events: [refused(30, { error_number: 110 })] }, few)), []);
});

test('connection_refused: where nobody is known the address is named; localhost by the other IP version is normal', () => {
  const nobody = { destination_endpoint_id: null, destination_address: '10.0.0.9' };
  assert.equal(explain(answers({ events: [refused(5, nobody)] }))[0]?.id, 'connection_refused web -> 10.0.0.9:80');
  const localhost = { destination_endpoint_id: null, destination_address: '::1' };
  assert.deepEqual(causes(answers({ events: [refused(500, localhost)] })), []);
  assert.deepEqual(causes(answers({ events: [refused(5, localhost)] }, { connections_opened: '0' })), [
    'connection_refused',
  ]);
});

test('server_error: three and one in a hundred; 404 is the client’s', () => {
  const errors = (count: number) => request(count, { outcome: 'server_error', http_status_code: 503 });
  assert.deepEqual(causes(answers({ requests: [request(97), errors(3)] })), ['server_error']);
  assert.deepEqual(causes(answers({ requests: [request(50), errors(2)] })), []);
  assert.deepEqual(causes(answers({ requests: [request(5000), errors(40)] })), []);
  const missing = request(500, { outcome: 'client_error', http_status_code: 404 });
  assert.deepEqual(causes(answers({ requests: [request(10), missing] })), []);
});

test('server_error: read and not answered counts; a kept connection that closes under a request does not', () => {
  const closed = { outcome: 'no_response', http_status_code: null, close_cause: 'reset', closed_by: 'server' };
  assert.deepEqual(causes(answers({ requests: [request(50), request(5, closed)] })), ['server_error']);
  assert.deepEqual(causes(answers({ requests: [request(50), request(5, { ...closed, read: '0' })] })), []);
});

test('client_abort: three and one in twenty, before the answer began', () => {
  const gone = { outcome: 'no_response', http_status_code: null, close_cause: 'fin', closed_by: 'client' };
  assert.deepEqual(causes(answers({ requests: [request(50), request(5, gone)] })), ['client_abort']);
  assert.deepEqual(causes(answers({ requests: [request(50), request(2, gone)] })), []);
  assert.deepEqual(causes(answers({ requests: [request(500), request(5, gone)] })), []);
  const streamed = { ...gone, http_status_code: 200 };
  assert.deepEqual(causes(answers({ requests: [request(50), request(5, streamed)] })), []);
});

test('slow requests are told by the phase that most of them wait in', () => {
  const slow = (more: Row): Row => ({ ...EDGE, ...TIMES, count: '20', ...more });
  const requests = [request(100)];
  assert.deepEqual(causes(answers({ requests, slow: [slow({ mostly_queue: '20' })] })), ['reads_late']);
  assert.deepEqual(causes(answers({ requests, slow: [slow({ mostly_application: '20' })] })), ['slow_application']);
  assert.deepEqual(causes(answers({ requests, slow: [slow({ mostly_send: '20' })] })), []);
  assert.deepEqual(causes(answers({ requests, slow: [slow({ mostly_queue: '4' })] })), []);
  assert.deepEqual(causes(answers({ requests: [request(1000)], slow: [slow({ mostly_queue: '20' })] })), []);
  const [finding] = explain(
    answers({ requests, slow: [slow({ mostly_queue: '5', mostly_application: '15', sum_application_ns: '6e9' })] }),
  );
  const shares = finding!.evidence.filter(({ name }) => name.startsWith('waiting_'));
  assert.deepEqual(
    shares.map(({ value }) => value),
    [0.25, 0.75, 0],
  );
});

test('several causes on one edge are several findings, the worst first', () => {
  const requests = [request(40), request(60, { outcome: 'server_error', http_status_code: 503 })];
  const given = answers({ requests, events: [retransmit(30)] });
  assert.deepEqual(causes(given), ['server_error', 'packet_loss']);
});

test('edges whose ends have the same names are told apart by their ids', () => {
  const errors = { outcome: 'server_error', http_status_code: 503 };
  const given = answers({ requests: [request(9, errors), request(9, { ...errors, destination_endpoint_id: '3' })] });
  const third = { ...given.edges[0], destination_endpoint_id: '3' };
  const ids = explain({ ...given, edges: [...given.edges, third] }).map(({ id }) => id);
  assert.deepEqual(ids, ['server_error web -> api:80 (1 -> 2)', 'server_error web -> api:80 (1 -> 3)']);
});
