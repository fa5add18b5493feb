/** The tests' own BPF object (bpf/probe.bpf.c) and how to ask it for records. */
import assert from 'node:assert/strict';
import {
  type BpfObject,
  isNativeError,
  type NativeError,
  openObject,
  type Ring,
} from '../../collector/native/addon.ts';
import { builtTestProgram } from './build.ts';

/** Opens the probe object, not loaded. */
export function openProbe(): BpfObject {
  return openObject(builtTestProgram('probe.bpf.o'));
}

/** Runs `use` with the probe object loaded, and closes it. */
export async function withProbe<T>(
  use: (object: BpfObject) => T | Promise<T>,
  prepare: (object: BpfObject) => void = () => {},
): Promise<T> {
  const object = openProbe();
  try {
    prepare(object);
    object.load();
    return await use(object);
  } finally {
    object.close();
  }
}

/** linux/bpf.h: whether writing a record wakes the reader. */
export const NO_WAKEUP = 1;
export const FORCE_WAKEUP = 2;

/** Bytes before the caller's own in every record of the probe: its length and its sequence number. */
export const RECORD_HEAD_BYTES = 8;

export interface WriteRequest {
  readonly count: number;
  /** What the records' first u32 says, bytes. */
  readonly length: number;
  /** Bytes taken in the ring per record, 8 to 4096; default `length`. */
  readonly reserved?: number;
  /** Number of the first record. */
  readonly sequence?: number;
  readonly flags?: number;
  /** Take and give back a record before each. */
  readonly discard?: boolean;
}

/** Writes records into the probe's ring. */
export function writeRecords(object: BpfObject, request: WriteRequest): { written: number; refused: number } {
  const { count, length, reserved = length, sequence = 0, flags = NO_WAKEUP, discard = false } = request;
  const words = Uint32Array.of(count, length, reserved, sequence, flags, discard ? 1 : 0, 0, 0);
  const { retval, ctx } = object.testRun('write_records', { ctx: new Uint8Array(words.buffer) });
  assert.equal(retval, 42);
  return { written: ctx.readUInt32LE(24), refused: ctx.readUInt32LE(28) };
}

/** Length and sequence number of each record in a drained batch. */
export function parseBatch(batch: Buffer): { length: number; sequence: number }[] {
  const records = [];
  for (let at = 0; at < batch.length; ) {
    const length = batch.readUInt32LE(at);
    records.push({ length, sequence: batch.readUInt32LE(at + 4) });
    at += Math.ceil(length / 8) * 8;
  }
  return records;
}

/** Drains a ring to its end through a buffer of the given size. */
export function drainAll(ring: Ring, bufferBytes = 65536): { length: number; sequence: number }[] {
  const buffer = Buffer.alloc(bufferBytes);
  const records = [];
  for (let copied = ring.drain(buffer); copied > 0; copied = ring.drain(buffer)) {
    records.push(...parseBatch(buffer.subarray(0, copied)));
  }
  return records;
}

/** 0, 1, 2, ... as expected sequence numbers. */
export function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

/** The error `run` throws, which must be the addon's and have this code. */
export function nativeError(code: string, run: () => unknown): NativeError {
  try {
    run();
  } catch (error) {
    assert.ok(isNativeError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.notEqual(error.nextStep, '');
    return error;
  }
  assert.fail(`${code} was not thrown`);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
