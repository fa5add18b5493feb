/** Draining a ring: order, whole records, partial buffers, wrap-around, a full ring, and a producer that races. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BpfObject, openRing, type Ring } from '../../collector/native/addon.ts';
import { drainAll, nativeError, parseBatch, upTo, withProbe, writeRecords } from './probe.ts';

/** The kernel's own header before every record in the ring. */
const RING_HEADER_BYTES = 8;

const withRing = (use: (ring: Ring, object: BpfObject) => void | Promise<void>): Promise<void> =>
  withProbe((object) => use(openRing(object, 'ring'), object));

const sequences = (records: readonly { sequence: number }[]) => records.map(({ sequence }) => sequence);

test('an empty ring gives nothing', () =>
  withRing((ring) => {
    assert.equal(ring.size, 65536);
    assert.equal(ring.waiting, 0);
    assert.equal(ring.drain(Buffer.alloc(64)), 0);
    assert.equal(ring.drain(Buffer.alloc(0)), 0);
  }));

test('records come whole, in order, padded to eight bytes with zeros', () =>
  withRing((ring, object) => {
    assert.deepEqual(writeRecords(object, { count: 3, length: 13 }), { written: 3, refused: 0 });
    assert.equal(ring.waiting, 3 * (16 + RING_HEADER_BYTES));
    const buffer = Buffer.alloc(100, 0xff);
    assert.equal(ring.drain(buffer), 48);
    for (const [index, start] of [0, 16, 32].entries()) {
      assert.equal(buffer.readUInt32LE(start), 13);
      assert.equal(buffer.readUInt32LE(start + 4), index);
      assert.deepEqual([...buffer.subarray(start + 13, start + 16)], [0, 0, 0]);
    }
    assert.ok(
      buffer.subarray(48).every((byte) => byte === 0xff),
      'nothing is written behind the records',
    );
    assert.equal(ring.waiting, 0);
  }));

test('what does not fit stays in the ring and comes next', () =>
  withRing((ring, object) => {
    writeRecords(object, { count: 10, length: 40 });
    for (const [room, expected] of [
      [119, 2],
      [120, 3],
      [40, 1],
      [79, 1],
      [1000, 3],
    ] as const) {
      assert.equal(ring.drain(Buffer.alloc(room)), expected * 40);
    }
    assert.equal(ring.waiting, 0);
  }));

test('a buffer too small for the next record is refused, and the record is not lost', () =>
  withRing((ring, object) => {
    writeRecords(object, { count: 1, length: 20 });
    nativeError('FLOW_NATIVE_BUFFER', () => ring.drain(Buffer.alloc(23)));
    nativeError('FLOW_NATIVE_BUFFER', () => ring.drain(Buffer.alloc(0)));
    assert.deepEqual(drainAll(ring, 24), [{ length: 20, sequence: 0 }]);
  }));

test('a view into a larger buffer is written inside its bounds only', () =>
  withRing((ring, object) => {
    writeRecords(object, { count: 2, length: 16 });
    const whole = Buffer.alloc(64, 0xff);
    assert.equal(ring.drain(whole.subarray(8, 24)), 16);
    assert.ok(whole.subarray(0, 8).every((byte) => byte === 0xff));
    assert.ok(whole.subarray(24).every((byte) => byte === 0xff));
  }));

test('records of every length survive many turns around the ring', () =>
  withRing((ring, object) => {
    let sequence = 0;
    for (let length = 8; length <= 4096; length += 7) {
      const { written } = writeRecords(object, { count: 12, length, sequence });
      assert.equal(written, 12);
      const records = drainAll(ring, 8192);
      assert.deepEqual(sequences(records), upTo(12, sequence));
      assert.ok(records.every((record) => record.length === length));
      sequence += 12;
    }
    assert.equal(ring.malformed, 0);
  }));

test('a full ring refuses records, and takes them again as soon as it was drained', () =>
  withRing((ring, object) => {
    const fits = Math.floor((65536 - 1) / (56 + RING_HEADER_BYTES));
    assert.deepEqual(writeRecords(object, { count: 2000, length: 56 }), { written: fits, refused: 2000 - fits });
    const buffer = Buffer.alloc(56 * 10);
    assert.equal(ring.drain(buffer), 560);
    assert.deepEqual(sequences(parseBatch(buffer)), upTo(10));
    assert.deepEqual(writeRecords(object, { count: 11, length: 56, sequence: 5000 }), { written: 10, refused: 1 });
    assert.deepEqual(sequences(drainAll(ring)), [...upTo(fits - 10, 10), ...upTo(10, 5000)]);
  }));

test('discarded records are passed over', () =>
  withRing((ring, object) => {
    writeRecords(object, { count: 50, length: 24, discard: true });
    assert.deepEqual(sequences(drainAll(ring)), upTo(50));
    assert.equal(ring.malformed, 0);
  }));

test('a record shorter than what was reserved is copied at its own length', () =>
  withRing((ring, object) => {
    writeRecords(object, { count: 2, length: 30, reserved: 4096 });
    const buffer = Buffer.alloc(64);
    assert.equal(ring.drain(buffer), 64);
    assert.deepEqual(parseBatch(buffer), [
      { length: 30, sequence: 0 },
      { length: 30, sequence: 1 },
    ]);
  }));

test('a record that lies about its length is counted and passed over', () =>
  withRing((ring, object) => {
    for (const length of [0, 3, 25, 0xffffffff]) writeRecords(object, { count: 1, length, reserved: 24 });
    writeRecords(object, { count: 1, length: 24, sequence: 9 });
    assert.deepEqual(drainAll(ring), [{ length: 24, sequence: 9 }]);
    assert.equal(ring.malformed, 4);
  }));

test('no record is lost, doubled or torn while a program writes on another processor', async () => {
  // The child waits for a line, then makes some 400,000 system calls.
  const child = spawn('/bin/sh', [
    '-c',
    'read line && exec dd if=/dev/zero of=/dev/null bs=1 count=200000 status=none',
  ]);
  try {
    await withProbe(
      async (object) => {
        const ring = openRing(object, 'ring');
        object.attach('on_system_call');
        child.stdin.end('go\n');
        const buffer = Buffer.alloc(16384);
        const tail = Buffer.alloc(24, 0xee);
        let ended = false;
        let received = 0;
        let last = -1;
        void once(child, 'exit').then(() => {
          ended = true;
        });
        for (let turn = 0; turn < 1e6; turn++) {
          const copied = ring.drain(buffer);
          for (let at = 0; at < copied; at += 32) {
            assert.equal(buffer.readUInt32LE(at), 32);
            const sequence = buffer.readUInt32LE(at + 4);
            assert.ok(sequence > last, `${sequence} after ${last}`);
            assert.equal(buffer.compare(tail, 0, 24, at + 8, at + 32), 0, 'record is whole');
            last = sequence;
            received++;
          }
          if (copied > 0) continue;
          if (ended) break;
          await sleep(0);
        }
        const total = Number(object.getGlobal('system_calls').readBigUInt64LE());
        const lost = Number(object.getGlobal('system_calls_lost').readBigUInt64LE());
        assert.ok(ended && total > 400_000, `${total} system calls`);
        assert.equal(received + lost, total);
        assert.equal(ring.waiting, 0);
      },
      (object) => {
        const pid = Buffer.alloc(4);
        pid.writeUInt32LE(child.pid ?? 0);
        object.setGlobal('watched_pid', pid);
      },
    );
  } finally {
    child.kill('SIGKILL');
  }
});

test('a ring can be opened only over a ring map that is loaded', () =>
  withProbe((object) => {
    nativeError('FLOW_NATIVE_RING', () => openRing(object, 'numbers'));
    nativeError('FLOW_NATIVE_MAP', () => openRing(object, 'no_such_map'));
    const ring = openRing(object, 'ring');
    ring.close();
    ring.close();
    nativeError('FLOW_NATIVE_CLOSED', () => ring.drain(Buffer.alloc(64)));
    nativeError('FLOW_NATIVE_CLOSED', () => ring.waiting);
    nativeError('FLOW_NATIVE_CLOSED', () => ring.onReadable(() => {}));
  }));

test('closing the object closes its rings', async () => {
  let ring: Ring | undefined;
  await withRing((opened) => {
    ring = opened;
  });
  nativeError('FLOW_NATIVE_CLOSED', () => ring?.drain(Buffer.alloc(64)));
});
