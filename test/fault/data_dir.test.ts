/** A disk that takes no data directory, read-only or full from the start: the collector watches all the same. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { holdDirectory, trueName } from '../../collector/src/data_dir.ts';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { mountDisk } from '../../deploy/lab/disk.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { freePorts, whyNot } from '../support/flowspan.ts';

const COMMAND = join(import.meta.dirname, '../../query-api/cli/flowspan.ts');
const DISK_BYTES = 64 * 1024;

/** A data directory that is not there, and cannot be made. */
function impossible(t: TestContext, how: 'read-only' | 'full'): string {
  const disk = mountDisk(temporaryFolder(), DISK_BYTES, how === 'full' ? 1 : undefined);
  t.after(() => disk.unmount());
  if (how === 'read-only') disk.setReadOnly(true);
  return join(disk.path, 'flowspan/data');
}

for (const how of ['read-only', 'full'] as const) {
  test(`a ${how} disk is no reason to end`, { skip: whyNot() ?? false }, async (t) => {
    const path = impossible(t, how);
    const held = await holdDirectory(path);
    await assert.rejects(holdDirectory(path), { code: 'FLOW_COLLECTOR_RUNNING' });
    held.release();

    const cgroup = createCgroup();
    const [port, nobody] = await freePorts(2);
    const program = start({}, [process.execPath, COMMAND, 'collector'], {
      FLOWSPAN_DATA_DIR: path,
      FLOWSPAN_COLLECTOR_LISTEN: `127.0.0.1:${port}`,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT: cgroup.path,
      FLOWSPAN_COLLECTOR_PIN_DIR: pinDirectory(),
      FLOWSPAN_CLICKHOUSE_URL: `http://127.0.0.1:${nobody}`,
      FLOWSPAN_STORE_WRITER_PASSWORD: 'of-the-test',
    });
    t.after(async () => {
      await program.stop();
      cgroup.remove();
    });
    await eventually('a collector that watches', () => {
      assert.equal(program.process.exitCode, null, program.output());
      return program.output().includes('"watching"');
    });
    assert.ok(!existsSync(path));
  });
}

test('a directory has one name, there or not', () => {
  const folder = realpathSync(temporaryFolder());
  symlinkSync('real', join(folder, 'link'));
  const name = trueName(join(folder, 'link/data'));
  mkdirSync(join(folder, 'real/data'), { recursive: true });
  assert.equal(trueName(join(folder, 'link/data')), join(folder, 'real/data'));
  // A link that leads nowhere is all that is there to go by.
  assert.equal(name, join(folder, 'link/data'));
  assert.equal(trueName(join(folder, 'link/later')), join(folder, 'real/later'));
});
