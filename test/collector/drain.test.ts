import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Arena } from '../../collector/src/batch/arena.ts';
import { Drain, type DrainOptions } from '../../collector/src/batch/drain.ts';
import { walkRecords } from '../../collector/src/batch/records.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { FakeRing } from './support/path.ts';
import { connection, record, requestRecord } from './support/records.ts';

const flow = (cookie: number) => record('flow', connection({ socket_cookie: cookie }));

function open(bufferBytes = 64 * 1024, intervalMs = 5, hasRoom = () => true, sleep?: DrainOptions['sleep']) {
  const arena = new Arena(4 * 1024 * 1024);
  const rings = [new FakeRing(), new FakeRing()] as const;
  const looks: { begin: number; cookies: number[] }[] = [];
  const drain = new Drain({
    arena,
    rings,
    bufferBytes,
    intervalMs,
    largestRecord: 1256,
    hasRoom,
    ...(sleep && { sleep }),
    read(begin, end) {
      const cookies: number[] = [];
      walkRecords(arena, begin, end, (at) => cookies.push(arena.view.getUint32(at + 16, true)));
      looks.push({ begin, cookies });
    },
  });
  return { drain, rings, looks, arena };
}

test('one look reads both rings into one region, the next look into the other', () => {
  const { drain, rings, looks } = open();
  rings[0].records.push(flow(1), flow(2));
  rings[1].records.push(requestRecord({}, connection({ socket_cookie: 3 })));
  drain.look();
  rings[0].records.push(flow(4));
  drain.look();
  drain.look();
  assert.deepEqual(
    looks.map((look) => look.cookies),
    [[1, 2, 3], [4], []],
  );
  assert.notEqual(looks[0]!.begin, looks[1]!.begin);
  assert.equal(looks[0]!.begin, looks[2]!.begin);
});

test('what does not fit is read by the looks after, in order, without starving others', async () => {
  const { drain, rings, looks } = open(8192);
  const cookies = Array.from({ length: 500 }, (_, index) => index);
  rings[0].records.push(...cookies.map(flow));
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  drain.look();
  assert.ok(rings[0].records.length > 0);
  await eventually('all records', () => looks.flatMap((look) => look.cookies).length >= 500);
  assert.ok(turned);
  assert.deepEqual(
    looks.flatMap((look) => look.cookies),
    cookies,
  );
});

test('a ring that says it is readable is read at once; without a word the timer does', async () => {
  const { drain, rings, looks } = open();
  drain.start();
  rings[1].records.push(flow(1));
  rings[1].callback?.();
  assert.deepEqual(looks.at(-1)?.cookies, [1]);
  rings[0].records.push(flow(2));
  await eventually('the timer', () => rings[0].records.length === 0);
  drain.stop();
  rings[0].records.push(flow(3));
  await wait(30);
  assert.equal(rings[0].records.length, 1);
  drain.finish(10);
  assert.ok(looks.some((look) => look.cookies.includes(3)));
});

test('finishing takes no more looks than told', () => {
  const { drain, rings, looks } = open(8192);
  rings[0].records.push(...Array.from({ length: 500 }, (_, index) => flow(index)));
  drain.finish(3);
  assert.equal(looks.length, 4);
});

test('without room for rows records wait in the rings, and are read when there is room', async () => {
  let room = false;
  const { drain, rings, looks } = open(64 * 1024, 5, () => room);
  rings[0].records.push(flow(1));
  drain.look();
  assert.equal(looks.length, 0);
  assert.equal(rings[0].records.length, 1);
  drain.start();
  rings[0].callback?.();
  assert.equal(rings[0].callback, null, 'a ring that is not read is not listened to');
  assert.ok(drain.looksWithoutRoom >= 2);
  room = true;
  await eventually('a look', () => looks.length > 0);
  assert.deepEqual(looks[0]?.cookies, [1]);
  assert.notEqual(rings[0].callback, null);
  drain.stop();
});

test('while nothing comes the looks are fewer, and the next record wakes the reader', async () => {
  let [wakes, ringBytes] = [0, 0];
  const sleep = {
    wakeAtNext() {
      wakes += 1;
    },
    ringBytes: () => ringBytes,
  };
  const { drain, rings, looks } = open(64 * 1024, 5, () => true, sleep);
  drain.start();
  await eventually('the kernel to be told before each rest', () => wakes >= 4);
  assert.ok(looks.length <= wakes + 1);
  const rested = looks.length;
  rings[0].records.push(flow(1));
  rings[0].callback?.();
  assert.deepEqual(looks[rested]?.cookies, [1]);
  const told = wakes;
  // From here on each look is told that something came while the kernel did not know yet.
  ringBytes = 8;
  // Half of what they would take at the pace of a reader that rests, 250 ms each.
  await eventually('twenty looks of who is not sure to be woken', () => looks.length >= rested + 20, 2_500);
  assert.ok(wakes > told);
  drain.stop();
});
