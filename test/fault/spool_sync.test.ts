/** When what was written is brought to the disk: within the stated time, its name too, and not for what is gone by then. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { mock, type TestContext } from 'node:test';
import { pino } from 'pino';
import { newSegmentName } from '../../collector/src/deliver/segment.ts';
import { SegmentFile } from '../../collector/src/deliver/segment_file.ts';
import { SpoolDisk } from '../../collector/src/deliver/spool_disk.ts';

const SYNC_MS = 1000;

function newDisk(t: TestContext) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-sync-'));
  t.after(() => {
    mock.timers.reset();
    rmSync(directory, { recursive: true });
  });
  const logged: string[] = [];
  const disk = new SpoolDisk({
    syncMs: SYNC_MS,
    log: pino({ level: 'info' }, { write: (line) => void logged.push(line) }),
    back: () => undefined,
  });
  const synced: string[] = [];
  const newFile = async () => {
    const file = new SegmentFile(directory, newSegmentName(1), 1);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await sync();
      synced.push(file.name);
    };
    await file.append([{ bytes: Buffer.from('row'), rows: 1 }], 1);
    disk.changed(file);
    return file;
  };
  return { disk, synced, logged, newFile };
}

/** Lets what the timer began come to its end. */
const done = async (disk: SpoolDisk) => disk.sync();

test('each file that has changed is synced once, at most the stated time after its first change', async (t) => {
  const { disk, synced, newFile } = newDisk(t);
  const first = await newFile();
  mock.timers.tick(SYNC_MS / 2);
  const second = await newFile();
  mock.timers.tick(SYNC_MS / 2 - 1);
  assert.deepEqual(synced, []);
  mock.timers.tick(1);
  await done(disk);
  while (synced.length < 2) await new Promise(setImmediate);
  assert.deepEqual(synced, [first.name, second.name]);
  mock.timers.tick(10 * SYNC_MS);
  await done(disk);
  assert.equal(synced.length, 2, 'nothing has changed since');
  await first.append([{ bytes: Buffer.from('row'), rows: 1 }], 1);
  disk.changed(first);
  mock.timers.tick(SYNC_MS);
  while (synced.length < 3) await new Promise(setImmediate);
  assert.equal(disk.error, undefined);
  await Promise.all([first.close(), second.close()]);
});

test('what is removed before costs no sync', async (t) => {
  const { disk, synced, newFile } = newDisk(t);
  const file = await newFile();
  const segment = await file.seal('flows');
  disk.changed(file);
  await disk.gone(file.name);
  await segment!.remove();
  mock.timers.tick(SYNC_MS);
  await done(disk);
  assert.deepEqual(synced, []);
});

test('a sync that fails is told now and then, and keeps nothing from being written', async (t) => {
  const { disk, logged, newFile } = newDisk(t);
  const file = await newFile();
  const sync = file.sync;
  file.sync = async () => {
    throw new Error('EIO');
  };
  for (let turn = 0; turn < 3; turn += 1) {
    disk.changed(file);
    await disk.sync();
    disk.worked();
    assert.equal(disk.error, 'EIO');
    assert.ok(disk.usable);
  }
  assert.equal(logged.length, 1);
  assert.match(logged[0]!, /FLOW_DELIVER_SPOOL/);
  file.sync = sync;
  disk.changed(file);
  await disk.sync();
  assert.equal(disk.error, undefined);
  await file.close();
});
