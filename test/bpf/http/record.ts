/** Request records as they come from the ring. */
import { ENUMS, REQUEST_RECORD } from '../../../bpf/wire/events.gen.ts';
import type { Exchange } from './exchange.ts';

/** Label of a value of a wire enum. */
export function label(name: keyof typeof ENUMS, value: number): string {
  return Object.entries(ENUMS[name]).find(([, candidate]) => candidate === value)?.[0] ?? `${value}`;
}

/** Cuts what a ring has drained into its records. */
export function recordsOf(drained: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < drained.length; ) {
    const length = drained.readUInt32LE(at);
    records.push(drained.subarray(at, at + length));
    at += (length + 7) & ~7;
  }
  return records;
}

/** What a request record tells of the exchange. */
export function readRequest(record: Buffer): Exchange {
  const R = REQUEST_RECORD;
  let at = R.text;
  const text = (length: number): string => {
    at += length;
    return record.toString('latin1', at - length, at);
  };
  return {
    method: text(record.readUInt8(R.method_length)),
    target: text(record.readUInt16LE(R.target_length)),
    host: text(record.readUInt16LE(R.host_length)),
    traceparent: text(record.readUInt16LE(R.traceparent_length)),
    version: record.readUInt8(R.http_version),
    status: record.readUInt16LE(R.http_status_code),
    truncated: record.readUInt8(R.text_truncated) === 1,
    requestSequence: record.readUInt32LE(R.request_sequence),
    responseSequence: record.readUInt32LE(R.response_sequence),
    requestBytes: Number(record.readBigUInt64LE(R.request_bytes)),
    requestBodyBytes: Number(record.readBigUInt64LE(R.request_body_bytes)),
    responseBytes: Number(record.readBigUInt64LE(R.response_bytes)),
    responseBodyBytes: Number(record.readBigUInt64LE(R.response_body_bytes)),
    end: label('request_end', record.readUInt8(R.request_end)),
  };
}
