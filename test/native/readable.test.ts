/** Readiness of a ring through the event loop. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { setImmediate as eventLoopTurn, setTimeout as sleep } from 'node:timers/promises';
import { openRing, type Ring } from '../../collector/native/addon.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { FORCE_WAKEUP, nativeError, withProbe, writeRecords } from './probe.ts';

/** Runs a TypeScript text in its own Node, with the probe's helpers and a loaded probe object in scope. */
function inNode(text: string): { status: number | null; stdout: string; stderr: string } {
  const script = `
    import { openRing } from '${import.meta.resolve('../../collector/native/addon.ts')}';
    import { FORCE_WAKEUP, openProbe, writeRecords } from '${import.meta.resolve('./probe.ts')}';
    const object = openProbe();
    object.load();
    const ring = openRing(object, 'ring');
    ${text}`;
  return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    encoding: 'utf8',
    timeout: 10_000,
  });
}

test('a forced wake-up calls back, and drained records do not call again', () =>
  withProbe(async (object) => {
    const ring = openRing(object, 'ring');
    const buffer = Buffer.alloc(4096);
    let calls = 0;
    let bytes = 0;
    ring.onReadable(() => {
      calls++;
      bytes += ring.drain(buffer);
    });
    // The loop begins to watch the ring when it waits next, and takes up then what is there already.
    for (let turn = 0; turn < 3; turn += 1) await eventLoopTurn();
    writeRecords(object, { count: 4, length: 32 });
    await sleep(30);
    assert.equal(calls, 0, 'records without a wake-up are told by none');
    writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP });
    await eventually('the callback', () => calls > 0);
    assert.equal(bytes, 160);
    const before = calls;
    await sleep(30);
    assert.equal(calls, before);
  }));

test('records that a callback leaves behind call again', () =>
  withProbe(async (object) => {
    const ring = openRing(object, 'ring');
    const buffer = Buffer.alloc(32);
    let records = 0;
    ring.onReadable(() => {
      records += ring.drain(buffer) / 32;
    });
    writeRecords(object, { count: 20, length: 32, flags: FORCE_WAKEUP });
    await eventually('all records, one by one', () => records === 20);
  }));

test('records that waited before it was asked call back', () =>
  withProbe(async (object) => {
    const ring = openRing(object, 'ring');
    writeRecords(object, { count: 1, length: 32 });
    let called = false;
    ring.onReadable(() => {
      called = ring.drain(Buffer.alloc(64)) === 32;
    });
    await eventually('the callback', () => called);
  }));

test('null stops the callbacks, another callback replaces the first', () =>
  withProbe(async (object) => {
    const ring = openRing(object, 'ring');
    const calls: string[] = [];
    const watch = (name: string) => () => {
      calls.push(name);
      ring.drain(Buffer.alloc(4096));
    };
    ring.onReadable(watch('first'));
    ring.onReadable(watch('second'));
    writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP });
    await eventually('a callback', () => calls.length > 0);
    assert.deepEqual(calls, ['second']);
    ring.onReadable(null);
    writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP });
    await sleep(30);
    assert.deepEqual(calls, ['second']);
    nativeError('FLOW_NATIVE_ARGUMENT', () => ring.onReadable('no function' as unknown as null));
  }));

test('a ring may be closed from its own callback', () =>
  withProbe(async (object) => {
    const ring: Ring = openRing(object, 'ring');
    let calls = 0;
    ring.onReadable(() => {
      calls++;
      ring.close();
    });
    writeRecords(object, { count: 5, length: 32, flags: FORCE_WAKEUP });
    await sleep(50);
    assert.equal(calls, 1);
    nativeError('FLOW_NATIVE_CLOSED', () => ring.waiting);
  }));

test('a watched ring keeps the process alive, an unreferenced one does not', () => {
  const alive = inNode(`
    ring.onReadable(() => { ring.drain(Buffer.alloc(4096)); console.log('read'); ring.close(); });
    const timer = setTimeout(() => writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP }), 100);
    timer.unref();`);
  assert.deepEqual([alive.stdout, alive.status], ['read\n', 0], alive.stderr);
  const ended = inNode(`ring.onReadable(() => {}); ring.unref();`);
  assert.equal(ended.status, 0, ended.stderr);
  const again = inNode(`
    ring.onReadable(() => { console.log('read'); process.exit(5); });
    ring.unref();
    ring.ref();
    setTimeout(() => writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP }), 50).unref();`);
  assert.deepEqual([again.stdout, again.status], ['read\n', 5], again.stderr);
});

test('an error in the callback is an uncaught exception of the process', () => {
  const caught = inNode(`
    process.on('uncaughtException', (error) => { console.log(error.message); object.close(); });
    ring.onReadable(() => { throw new Error('from the callback'); });
    writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP });`);
  assert.deepEqual([caught.stdout, caught.status], ['from the callback\n', 0], caught.stderr);
  const uncaught = inNode(`
    ring.onReadable(() => { throw new Error('from the callback'); });
    writeRecords(object, { count: 1, length: 32, flags: FORCE_WAKEUP });`);
  assert.equal(uncaught.status, 1, uncaught.stderr);
  assert.match(uncaught.stderr, /from the callback/);
});
