/** Wire records made by hand, from field names and values. */
import {
  CGROUP_RECORD,
  CGROUP_RECORD_FIELDS,
  ENUMS,
  FLOW_RECORD,
  FLOW_RECORD_FIELDS,
  REQUEST_RECORD,
  REQUEST_RECORD_FIELDS,
  TCP_EVENT_RECORD,
  TCP_EVENT_RECORD_FIELDS,
  type WireField,
} from '../../../bpf/wire/events.gen.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';

export type Values = Readonly<Record<string, number | bigint | string | Uint8Array>>;

const KINDS = {
  flow: { size: FLOW_RECORD.size, fields: FLOW_RECORD_FIELDS },
  tcp_event: { size: TCP_EVENT_RECORD.size, fields: TCP_EVENT_RECORD_FIELDS },
  request: { size: REQUEST_RECORD.size, fields: REQUEST_RECORD_FIELDS },
  cgroup: { size: CGROUP_RECORD.size, fields: CGROUP_RECORD_FIELDS },
} as const;

function bytesOf(field: WireField, value: string | Uint8Array): Uint8Array {
  if (typeof value !== 'string') return value;
  return field.name.endsWith('_address') ? addressBytes(value) : Buffer.from(value);
}

function enumValue(field: WireField, label: string): number {
  const value = (ENUMS as Readonly<Record<string, Readonly<Record<string, number>>>>)[field.enumName!]?.[label];
  if (value === undefined) throw new Error(`${field.name} has no ${label}`);
  return value;
}

function put(record: Buffer, field: WireField, value: number | bigint | string | Uint8Array): void {
  if (field.enumName !== undefined && typeof value === 'string') record[field.offset] = enumValue(field, value);
  else if (field.type === 'u64') record.writeBigUInt64LE(BigInt(value as number | bigint), field.offset);
  else if (field.type.startsWith('u')) record.writeUIntLE(Number(value), field.offset, Number(field.type.slice(1)) / 8);
  else record.set(bytesOf(field, value as string | Uint8Array), field.offset);
}

/** One record, padded to eight bytes; enum fields take labels, addresses text. Unnamed fields are zero. */
export function record(kind: keyof typeof KINDS, values: Values): Buffer {
  const { size, fields } = KINDS[kind];
  const bytes = Buffer.alloc(Math.ceil(size / 8) * 8);
  for (const [name, value] of Object.entries({ length: size, record_kind: kind, ...values })) {
    const field = fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new Error(`${kind} has no ${name}`);
    put(bytes, field, value);
  }
  return bytes;
}

/** A request record with its texts, as long as they need. */
export function requestRecord(
  texts: { method?: string; target?: string; host?: string; traceparent?: string },
  values: Values = {},
): Buffer {
  const { method = 'GET', target = '/', host = 'shop.test', traceparent = '' } = texts;
  const text = Buffer.from(method + target + host + traceparent, 'latin1');
  const length = REQUEST_RECORD.text + text.length;
  const whole = record('request', {
    request_end: 'complete',
    http_status_code: 200,
    http_version: 11,
    ...values,
    length,
    method_length: method.length,
    target_length: target.length,
    host_length: host.length,
    traceparent_length: traceparent.length,
    text,
  });
  return whole.subarray(0, Math.ceil(length / 8) * 8);
}

/** Ends of a connection, ready to be spread into a record's values. */
export function connection(values: Values = {}): Values {
  return {
    socket_cookie: 7,
    socket_cgroup_id: 1,
    owner_cgroup_id: 1,
    source_address: '10.0.0.1',
    destination_address: '10.0.0.2',
    source_port: 40_000,
    destination_port: 80,
    netns: 4026531840,
    pid: 100,
    protocol: 6,
    observation_point: 'client',
    initiator_known: 1,
    ip_version: 4,
    traffic_direction: 'egress',
    verdict: 'forwarded',
    time_boot_ns: 5_000_000_000n,
    ...values,
  };
}
