/** The wire contract: what a C compiler lays out is what the generated reader reads, byte for byte. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import * as wire from '../../bpf/wire/events.gen.ts';
import { builtTestProgram } from '../native/build.ts';

interface Golden {
  readonly name: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly bytes: string;
}

const FIELDS: Readonly<Record<string, readonly wire.WireField[]>> = {
  flow_record: wire.FLOW_RECORD_FIELDS,
  tcp_event_record: wire.TCP_EVENT_RECORD_FIELDS,
  request_record: wire.REQUEST_RECORD_FIELDS,
  cgroup_record: wire.CGROUP_RECORD_FIELDS,
  record_counter: wire.RECORD_COUNTER_FIELDS,
  cgroup_throttle: wire.CGROUP_THROTTLE_FIELDS,
};

const OFFSETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  flow_record: wire.FLOW_RECORD,
  tcp_event_record: wire.TCP_EVENT_RECORD,
  request_record: wire.REQUEST_RECORD,
  cgroup_record: wire.CGROUP_RECORD,
  record_counter: wire.RECORD_COUNTER,
  cgroup_throttle: wire.CGROUP_THROTTLE,
};

/** Bytes of a field's type, such as 4 for u32 and 16 for bytes16. */
function width(type: string): number {
  return type.startsWith('bytes') ? Number(type.slice(5)) : Number(type.slice(1)) / 8;
}

/** A field's value as golden.c prints it. */
function read(bytes: Buffer, field: wire.WireField): string {
  const end = field.offset + width(field.type);
  if (field.type.startsWith('bytes')) return bytes.subarray(field.offset, end).toString('hex');
  if (field.type === 'u64') return String(bytes.readBigUInt64LE(field.offset));
  return String(bytes.readUIntLE(field.offset, width(field.type)));
}

let golden: readonly Golden[] = [];

before(() => {
  const lines = execFileSync(builtTestProgram('golden'), { encoding: 'utf8' }).trim().split('\n');
  golden = lines.map((line) => JSON.parse(line) as Golden);
});

test('the C program knows every record, and every field of each', () => {
  assert.deepEqual(golden.map(({ name }) => name).sort(), Object.keys(FIELDS).sort());
  for (const { name, fields } of golden) {
    assert.deepEqual(
      Object.keys(fields),
      (FIELDS[name] ?? []).map((field) => field.name),
      `${name}: field names in order`,
    );
  }
});

test('sizes agree', () => {
  for (const { name, bytes } of golden) assert.equal(OFFSETS[name]?.size, bytes.length / 2, name);
});

test('every field reads what the C program wrote', () => {
  for (const { name, fields, bytes } of golden) {
    const record = Buffer.from(bytes, 'hex');
    for (const field of FIELDS[name] ?? []) {
      assert.equal(read(record, field), fields[field.name], `${name}.${field.name}`);
      assert.equal(OFFSETS[name]?.[field.name], field.offset, `${name}.${field.name} has one offset`);
    }
  }
});

test('what is not a field is explicit padding, and stays zero', () => {
  for (const { name, bytes } of golden) {
    const record = Buffer.from(bytes, 'hex');
    for (const field of FIELDS[name] ?? []) record.fill(0, field.offset, field.offset + width(field.type));
    assert.ok(
      record.every((byte) => byte === 0),
      `${name}: bytes outside the fields`,
    );
  }
});

test('fields do not overlap and are aligned to their width', () => {
  for (const [name, fields] of Object.entries(FIELDS)) {
    let end = 0;
    for (const { name: field, offset, type } of fields) {
      assert.ok(offset >= end, `${name}.${field} begins after the field before it`);
      if (!type.startsWith('bytes')) assert.equal(offset % width(type), 0, `${name}.${field} is aligned`);
      end = offset + width(type);
    }
  }
});

test('every enum field names an enum that exists', () => {
  for (const [name, fields] of Object.entries(FIELDS)) {
    for (const { name: field, enumName } of fields) {
      if (enumName !== undefined) assert.ok(enumName in wire.ENUMS, `${name}.${field}: ${enumName}`);
    }
  }
});

test('the committed reader is what events.h generates', () => {
  const root = new URL('../../', import.meta.url);
  execFileSync('make', ['-s', 'build/bpf/events.gen.ts'], { cwd: root });
  assert.equal(
    readFileSync(new URL('bpf/wire/events.gen.ts', root), 'utf8'),
    readFileSync(new URL('build/bpf/events.gen.ts', root), 'utf8'),
  );
});
