/** kill -9 at any moment of writing: every row that a write has returned for is there, in order, and nothing else. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { findLeftovers } from '../../collector/src/deliver/leftovers.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const KILLS = 8;
const WRITER = new URL('./support/spool_writer.ts', import.meta.url).pathname;

test('what was written is there after kill -9', async () => {
  for (let turn = 0; turn < KILLS; turn += 1) {
    const directory = temporaryFolder();
    const writer = start({}, [process.execPath, WRITER, directory]);
    await eventually('a first write', () => writer.output() !== '');
    await wait(turn * 7);
    const closed = once(writer.process, 'close');
    writer.process.kill('SIGKILL');
    await closed;
    const said = Number(writer.output().trimEnd().split('\n').at(-1));
    const { segments, torn } = await findLeftovers(directory, 'flows', (error) => assert.fail(String(error)));
    let next = 0;
    for (const segment of segments) {
      await segment.check();
      const bytes = Buffer.concat(await Array.fromAsync(segment.read()));
      for (let at = 0; at < bytes.length; at += 4) assert.equal(bytes.readUInt32LE(at), next++);
      if (segment !== segments.at(-1)) assert.equal(segment.damaged, 0);
    }
    assert.ok(next >= said, `${next} rows of ${said}`);
    assert.ok(torn.length <= 1);
  }
});
