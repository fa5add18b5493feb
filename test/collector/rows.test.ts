import assert from 'node:assert/strict';
import test from 'node:test';
import {
  FLOW_RECORD,
  FLOW_RECORD_FIELDS,
  REQUEST_RECORD,
  REQUEST_RECORD_FIELDS,
  TCP_EVENT_RECORD_FIELDS,
  type WireField,
} from '../../bpf/wire/events.gen.ts';
import { NOBODY } from '../../collector/src/correlate/decisions.ts';
import { rowText } from '../../collector/src/deliver/text.ts';
import { SPAN_DECISIONS } from '../../store/tables.ts';
import { openPath, type Row } from './support/path.ts';
import { connection, record, requestRecord, type Values } from './support/records.ts';

/** A different value in every field, so that a column from a wrong offset shows. */
function distinct(fields: readonly WireField[]): Record<string, number | bigint | string> {
  const values: Record<string, number | bigint | string> = {};
  for (const [index, field] of fields.entries()) {
    if (['length', 'record_kind', 'text', 'command', 'command_length'].includes(field.name)) continue;
    if (/_length$/.test(field.name)) continue;
    if (field.type === 'u64') values[field.name] = 0x1000000000n + BigInt(index) * 1001n;
    else if (field.type === 'u32') values[field.name] = 100_000 + index;
    else if (field.type === 'u16') values[field.name] = 1000 + index;
    else if (field.type === 'u8') values[field.name] = 1;
    else values[field.name] = `10.0.${index}.1`;
  }
  return values;
}

function assertCarried(row: Record<string, unknown>, fields: readonly WireField[], values: Values, except: string[]) {
  for (const field of fields) {
    const value = values[field.name];
    if (value === undefined || except.includes(field.name) || field.enumName !== undefined) continue;
    // These are for the collector alone.
    if (/^(source|destination)_sequence_begin$|^(peer_endpoint|service)_id$|^policy_/.test(field.name)) continue;
    const expected = typeof value === 'bigint' ? value.toString() : value;
    const shown = typeof row[field.name] === 'boolean' ? Number(row[field.name]) : row[field.name];
    assert.deepEqual(shown, expected, field.name);
  }
}

test('a flow row carries every field of its record, scope, time and command', () => {
  const values = { ...distinct(FLOW_RECORD_FIELDS), command_length: 5, command: 'nginx', protocol: 17 };
  const [row] = openPath().feed(
    'flows',
    record('flow', { ...values, time_boot_ns: 0x1_ffff_ffffn, flow_state: 'closed' }),
  );
  assert.ok(row);
  assertCarried(row, FLOW_RECORD_FIELDS, values, ['time_boot_ns', 'command_length']);
  assert.equal(row.time, '2023-11-14T22:13:28.589934591Z');
  assert.deepEqual([row.cluster, row.node, row.boot_id], ['c', 'n1', '11111111-2222-3333-4444-555555555555']);
  assert.deepEqual([row.command, row.flow_state, row.sample_weight], ['nginx', 'closed', 1]);
});

test('a row names the rule that decided, and none where none did', () => {
  const asked: number[][] = [];
  const rule = { kind: 'NetworkPolicy', namespace: 'shop', name: 'web' };
  const [kind, namespace, name] = Object.values(rule).map((text) => rowText(text)) as [Buffer, Buffer, Buffer];
  const decidedBy = (generation: number, decision: number) => {
    asked.push([generation, decision]);
    return decision === 7 ? { kind, namespace, name, ruleIndex: 2 } : NOBODY;
  };
  const path = openPath({ decisions: { decidedBy } });
  const judged = (values: Values) => connection({ policy_generation: 3, policy_decision: 7, ...values });
  const named = ({ policy_kind, policy_namespace, policy_name, rule_index }: Row) =>
    [policy_kind, policy_namespace, policy_name, rule_index].join(' ');
  const records = [judged({}), judged({ policy_decision: 0xffffffff }), judged({ policy_generation: 0 })];
  const rows = path.feed('flows', ...records.map((values) => record('flow', values)));
  assert.deepEqual(rows.map(named), ['NetworkPolicy shop web 2', '   -1', '   -1']);
  assert.ok(asked.some(([generation, decision]) => generation === 3 && decision === 7));
  assert.ok(
    asked.every(([generation]) => generation !== 0),
    'who was not judged is not asked about',
  );
  const [event] = path.feed('tcp_events', record('tcp_event', judged({})));
  const [request] = path.feed('requests', requestRecord({}, judged({})));
  assert.deepEqual(
    [event, request].map((row) => named(row!)),
    Array(2).fill('NetworkPolicy shop web 2'),
  );
});

test('a TCP event row names the reasons in the words of the kernel', () => {
  const path = openPath();
  const values = distinct(TCP_EVENT_RECORD_FIELDS);
  const event = (drop: number, reset: number) =>
    record('tcp_event', { ...values, drop_reason: drop, reset_reason: reset });
  const rows = path.feed('tcp_events', event(3, 0), event(0, 5), event(99, 0));
  assertCarried(rows[0]!, TCP_EVENT_RECORD_FIELDS, values, ['time_boot_ns', 'drop_reason', 'reset_reason']);
  assert.deepEqual(
    rows.map((row) => [row.drop_reason, row.reset_reason]),
    [
      ['NO_SOCKET', null],
      [null, 'TCP_STATE'],
      ['99', null],
    ],
  );
});

test('a request row carries its record, its texts, its outcome and its trace', () => {
  const values = { ...distinct(REQUEST_RECORD_FIELDS), http_status_code: 503 };
  const texts = {
    method: 'POST',
    target: '/cart/42?token=abc&page=',
    host: 'shop.test:8080',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
  const [row] = openPath().feed('requests', requestRecord(texts, values));
  assert.ok(row);
  assertCarried(row, REQUEST_RECORD_FIELDS, values, ['time_boot_ns', 'text']);
  assert.deepEqual(
    [row.operation, row.http_host, row.http_path, row.http_query],
    ['POST', 'shop.test:8080', '/cart/42', 'token=REDACTED&page='],
  );
  assert.deepEqual(
    [row.resource, row.status, row.outcome, row.error_type],
    ['/cart/{number}', '503', 'server_error', '503'],
  );
  assert.deepEqual(
    [row.has_trace, row.trace_flags, row.trace_id, row.parent_span_id],
    [true, 1, '0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'],
  );
  assert.equal(row.request_protocol, 'http');
});

test('without trace and answer a request row says so', () => {
  const none = { http_status_code: 0, request_end: 'connection_reset' };
  const [row] = openPath().feed('requests', requestRecord({}, { ...connection(), ...none }));
  assert.deepEqual(
    [row!.has_trace, row!.trace_id, row!.status, row!.outcome, row!.error_type],
    [false, null, null, 'no_response', 'connection_reset'],
  );
});

test('a row says why it was sent as a span, and whether the other end is observed', () => {
  const told: number[] = [];
  const path = openPath({ spanDecision: { of: (at) => told.push(at) && SPAN_DECISIONS.slow } });
  const server = requestRecord({}, connection({ observation_point: 'server', socket_cookie: 8, netns: 2 }));
  const [row] = path.feed('requests', requestRecord({}, connection()), server);
  assert.deepEqual([row!.span_decision, row!.peer_observed, told.length], ['slow', true, 2]);
  const [alone] = openPath().feed('requests', requestRecord({}, connection()));
  assert.deepEqual([alone!.span_decision, alone!.peer_observed], ['not_sent', false]);
  const flows = openPath().feed('flows', record('flow', connection()), record('flow', connection({ source_port: 2 })));
  assert.deepEqual(
    flows.map((flow) => flow.peer_observed),
    [false, false],
  );
});

test('texts of more than 127 bytes travel whole', () => {
  const target = `/${'a-b/'.repeat(200)}end`;
  const [row] = openPath().feed('requests', requestRecord({ target, host: 'h'.repeat(200) }));
  assert.equal(row!.http_path, target);
  assert.equal(row!.http_host, 'h'.repeat(200));
});

test('records that make no sense are counted and nothing more', () => {
  const path = openPath();
  const short = record('flow', { ...connection(), length: 40 }).subarray(0, 40);
  const unknown = record('flow', { ...connection(), record_kind: 9 });
  const lying = requestRecord({ target: '/x' }, connection());
  lying.writeUInt16LE(1000, REQUEST_RECORD.target_length);
  assert.deepEqual(path.feed('flows', short, unknown), []);
  assert.deepEqual(path.feed('requests', lying), []);
  assert.deepEqual(path.feed('flows', record('cgroup', { length: 16 }).subarray(0, 16)), []);
  assert.deepEqual(path.feed('flows', record('flow', { length: 100_000 })), []);
  const { record_short, record_kind_unknown, record_bytes_malformed } = path.counters.discards;
  assert.deepEqual({ record_short, record_kind_unknown }, { record_short: 3, record_kind_unknown: 1 });
  assert.equal(record_bytes_malformed, FLOW_RECORD.size);
  // of a known kind each has its fate; of the others nobody knows what they were
  for (const kind of ['flow', 'request', 'cgroup'] as const) {
    const { read, held, discarded, rows } = path.counters.kinds[kind];
    assert.deepEqual({ read, held, discarded, rows }, { read: 1, held: 0, discarded: 1, rows: 0 }, kind);
  }
});

test('a record that waits for the next look is held, and is a row afterwards', () => {
  const path = openPath();
  const { flow } = path.counters.kinds;
  assert.equal(path.feed('flows', record('flow', connection())).length, 1);
  assert.deepEqual([flow.read, flow.held, flow.rows], [1, 0, 1]);
});

test('a row of before what a report had promised is counted as late', () => {
  const path = openPath();
  path.pipeline.promisedMs = 1_700_000_005_000;
  const at = (time_boot_ns: bigint) => record('flow', connection({ time_boot_ns }));
  path.feed('flows', at(4_999_000_000n), at(5_001_000_000n));
  assert.equal(path.counters.kinds.flow.late, 1);
});

test('every record kind is counted when read and when it became a row', () => {
  const path = openPath();
  path.feed('flows', record('flow', connection()), record('tcp_event', connection()), requestRecord({}, connection()));
  path.memory.full = true;
  path.feed('flows', record('flow', connection()));
  const { flow, tcp_event, request } = path.counters.kinds;
  assert.deepEqual([flow.read, flow.rows], [2, 1]);
  assert.deepEqual([tcp_event.read, tcp_event.rows, request.read, request.rows], [1, 1, 1, 1]);
});

test('whatever bytes a request brings, a whole row comes of it, and no byte that a URL may not hold', () => {
  const path = openPath();
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => random(256))).toString('latin1');
  for (let index = 0; index < 3000; index += 1) {
    const texts = {
      method: random(2) === 0 ? 'GET' : bytes(random(20)),
      target: (random(2) === 0 ? '/' : '') + bytes(random(600)),
      host: bytes(random(200)),
      traceparent: bytes(random(70)),
    };
    const values = { http_status_code: random(700), request_end: random(7), text_truncated: random(2) };
    const [row] = path.feed('requests', requestRecord(texts, { ...connection(), ...values }));
    for (const column of ['operation', 'resource', 'http_host', 'http_path', 'http_query']) {
      assert.match(String(row![column]), /^[\x21-\x7e]*$/, column);
    }
  }
});
