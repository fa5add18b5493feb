/**
 * What the records of bpf/produce.bpf.c hold, read from its source a second time: from a record's number follows what its
 * row must say. A difference is a bug of the path in between, or of one of the two.
 */
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../../store/tables.ts';

/** What a request asks for. Ten digits in a row stand for an id. */
export interface Target {
  readonly method: string;
  /** With the method at most 96 bytes. */
  readonly path: string;
  /** At most 48 bytes. */
  readonly host: string;
}

const RESOURCES = ['orders', 'users', 'carts', 'items', 'payments', 'invoices', 'sessions', 'reviews'];
const ACTIONS = ['', '/lines', '/status', '/history', '/attachments/preview'];
const IDS = 25;

/** 40 routes, with 25 ids each; those of one workload follow one another, ids in turn. */
export const TARGETS: readonly Target[] = RESOURCES.flatMap((resource, first) =>
  Array.from({ length: IDS }, (_, id) => id).flatMap((id) =>
    ACTIONS.map((action, second) => ({
      method: second === 2 ? 'POST' : 'GET',
      path: `/api/v1/${resource}/${String(7_000_000_000 + first * 977 + id * 13).padStart(10, '0')}${action}`,
      host: `${resource}.shop.svc.cluster.local`,
    })),
  ),
);

const WORD = 64;
const word = (value: bigint): bigint => BigInt.asUintN(WORD, value);

/** `bits_of`: the finalizer of splitmix64. */
function bitsOf(number: bigint): bigint {
  let bits = word(number + 0x9e3779b97f4a7c15n);
  bits = word((bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n);
  bits = word((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn);
  return bits ^ (bits >> 31n);
}

const cut = (bits: bigint, from: number, mask: number): number => Number((bits >> BigInt(from)) & BigInt(mask));

/** How much of what is written. */
export interface Mix {
  readonly connections: number;
  /** Of 256 records, so many flows and so many TCP events; the others are requests. */
  readonly flows: number;
  readonly events: number;
  /** Of 256 requests, so many with an id in the path that no other has, and so many with a traceparent. */
  readonly unique: number;
  readonly traced: number;
}

/** A tenth flows, a twentieth events; of the requests 30 % with an id of their own, 10 % with a trace. */
export const MIX: Mix = { connections: 4000, flows: 26, events: 13, unique: 77, traced: 26 };

/** Table of the row that a record becomes, and columns of it; values as `decodeRows` has them. */
export interface Expected {
  readonly table: 'flows' | 'tcp_events' | 'requests';
  readonly row: Readonly<Record<string, unknown>>;
}

const PODS_ELSEWHERE = 250;
const podHere = (index: number): number => (index >> 1) & 7;
const podElsewhere = (index: number): number => (index >> 1) % PODS_ELSEWHERE;

function targetOf(index: number, bits: bigint): Target {
  const workload = (index % 2 === 1 ? podHere(index) : podElsewhere(index)) & 7;
  const targets = TARGETS.length / RESOURCES.length;
  const even = bits >> 48n;
  return TARGETS[workload * targets + Number((((even * even) >> 16n) * even * BigInt(targets)) >> 32n)] as Target;
}

function connectionColumns(index: number): Record<string, unknown> {
  const server = index % 2 === 1;
  const own = `10.0.0.${2 + podHere(index)}`;
  const other = `10.1.0.${podElsewhere(index)}`;
  return {
    socket_cookie: String(1 + index),
    source_address: server ? other : own,
    destination_address: server ? own : other,
    source_port: 1024 + (index % 64_000),
    destination_port: server ? 8080 : 80,
    observation_point: server ? 'server' : 'client',
    protocol: 6,
  };
}

function flowColumns(number: bigint, bits: bigint): Record<string, unknown> {
  const [sent, received] = [cut(bits, 16, 0xff), cut(bits, 24, 0xff)];
  return {
    bytes_acked: String(number),
    bytes_sent: String(bits >> 40n),
    bytes_received: String(cut(bits, 32, 0xffffff)),
    segments_sent: sent + 1,
    segments_received: received + 1,
    data_segments_sent: sent,
    data_segments_received: received,
    srtt_us: cut(bits, 20, 0xfff) + 50,
    min_rtt_us: cut(bits, 20, 0xff) + 20,
    cwnd_segments: 10 + cut(bits, 28, 0x7f),
    mss_bytes: 1448,
  };
}

function eventColumns(number: bigint, bits: bigint): Record<string, unknown> {
  return {
    event_kind: 'retransmit',
    cwnd_segments: Number(BigInt.asUintN(32, number)),
    segments: 1 + cut(bits, 32, 3),
    srtt_us: cut(bits, 20, 0xfff) + 50,
    retransmit_cause: cut(bits, 34, 1) === 1 ? 'timeout' : 'fast',
  };
}

function requestColumns(index: number, number: bigint, bits: bigint, { unique, traced }: Mix): Record<string, unknown> {
  const { method, path, host } = targetOf(index, bits);
  const isUnique = cut(bits, 8, 0xff) < unique;
  const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
  const hasTrace = cut(bits, 24, 0xff) < traced;
  const failed = cut(bits, 40, 0x3f) === 0;
  return {
    request_sequence: Number(BigInt.asUintN(32, number)),
    response_sequence: Number(BigInt.asUintN(32, number * 3n)),
    duration_ns: String(50_000n + (BigInt(cut(bits, 16, 0xffff)) << BigInt(cut(bits, 32, 7)))),
    request_bytes: String(200 + cut(bits, 0, 0x3ff)),
    response_bytes: String(150n + (bits >> 44n)),
    response_body_bytes: String(bits >> 44n),
    status: failed ? '503' : '200',
    outcome: failed ? 'server_error' : 'ok',
    srtt_us: cut(bits, 20, 0xfff) + 50,
    operation: method,
    http_host: host,
    http_path: isUnique ? path.replace(/\d{10}/, (number % 10_000_000_000n).toString().padStart(10, '0')) : path,
    has_trace: hasTrace,
    ...(hasTrace ? { trace_id: hex(bits) + hex(bitsOf(bits)), parent_span_id: hex(number + 1n) } : {}),
  };
}

/** What becomes of a record. */
export function expectedOf(number: number, mix: Mix): Expected {
  const wide = BigInt(number);
  const bits = bitsOf(wide);
  const index = Number((BigInt.asUintN(32, bits >> 32n) * BigInt(mix.connections)) >> 32n);
  const connection = connectionColumns(index);
  const kind = cut(bits, 0, 0xff);
  if (kind < mix.flows) return { table: 'flows', row: { ...connection, ...flowColumns(wide, bits) } };
  if (kind < mix.flows + mix.events)
    return { table: 'tcp_events', row: { ...connection, ...eventColumns(wide, bits) } };
  return { table: 'requests', row: { ...connection, ...requestColumns(index, wide, bits, mix) } };
}

/** Columns that hold bytes, where an answer should have text. */
const IDS_OF_TRACES = ['trace_id', 'parent_span_id'];

/**
 * Rows for `differences` from a store, by a hash of their time so that they are of all the run; what else the kernel may
 * tell of the machine (packet drops) is left out.
 */
export function sampleQuery(table: Expected['table'], rows: number): string {
  const columns = [FLOWS, TCP_EVENTS, REQUESTS]
    .find(({ name }) => name === table)!
    .columns.map(({ name }) =>
      IDS_OF_TRACES.includes(name) ? `lower(hex(t.${name})) AS ${name}` : `t.${name} AS ${name}`,
    );
  const ours = table === 'tcp_events' ? "t.event_kind = 'retransmit'" : 'true';
  return `SELECT ${columns.join(', ')} FROM ${table} AS t WHERE ${ours} ORDER BY cityHash64(t.time) LIMIT ${rows}`;
}

/** Column that holds the record's number, by table. */
export const NUMBER_COLUMN = {
  flows: 'bytes_acked',
  tcp_events: 'cwnd_segments',
  requests: 'request_sequence',
} as const;

/** Of a value in any of its forms: numbers and their text are the same, IPv4 addresses also where they are v4-mapped. */
const textOf = (value: unknown): string => String(value).replace(/^::ffff:/, '');

/** How a row differs from what it must say, one line per column; empty if it does not. */
export function differences(row: Readonly<Record<string, unknown>>, table: Expected['table'], mix: Mix): string[] {
  const number = Number(row[NUMBER_COLUMN[table]]);
  const expected = expectedOf(number, mix);
  if (expected.table !== table) return [`record ${number}: in ${table}, not in ${expected.table}`];
  return Object.entries(expected.row)
    .filter(([name, value]) => textOf(row[name]) !== textOf(value))
    .map(([name, value]) => `record ${number}: ${name} is ${textOf(row[name])}, not ${textOf(value)}`);
}
