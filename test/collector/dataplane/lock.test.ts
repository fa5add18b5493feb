/** One collector has the data plane of a directory of pins; others are told which. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { describeHolder, takeDataplane, whoHas } from '../../../collector/src/attach/dataplane/lock.ts';
import { type HeldName, holdName } from '../../../collector/src/held_name.ts';
import { uniqueName } from '../../../deploy/lab/registry.ts';

const pinDir = () => `/sys/fs/bpf/${uniqueName()}`;

async function taken(directory: string, release = '1.0.0') {
  const answer = await takeDataplane(directory, release);
  assert.ok('holder' in answer, 'somebody has it');
  return answer;
}

async function held(directory: string, release = '1.0.0'): Promise<HeldName> {
  const answer = await takeDataplane(directory, release);
  assert.ok('release' in answer, 'nobody has it');
  return answer;
}

test('the second is told who the first is, and when it is gone', async () => {
  const directory = pinDir();
  assert.equal(await whoHas(directory), undefined);
  const first = await held(directory, '1.2.3');
  const second = await taken(directory);
  assert.equal(second.holder.pid, process.pid);
  assert.equal(second.holder.release, '1.2.3');
  assert.ok(Math.abs(Date.parse(second.holder.since) - Date.now()) < 60_000);
  assert.match(describeHolder(second.holder), new RegExp(`^process ${process.pid}, Flowspan 1.2.3, since 2`));
  const gone = second.gone.then(() => 'gone');
  assert.equal(await Promise.race([gone, Promise.resolve('there')]), 'there');
  first.release();
  assert.equal(await gone, 'gone');
  (await held(directory)).release();
});

test('directories are told apart by what they are', async () => {
  const directory = pinDir();
  const first = await held(directory);
  (await taken(`${directory}/../${directory.split('/').at(-1)}`)).close();
  (await held(`${directory}-other`)).release();
  first.release();
});

test('of many who wait one has it next', async () => {
  const directory = pinDir();
  const first = await held(directory);
  const waiting = await Promise.all(Array.from({ length: 20 }, () => taken(directory)));
  first.release();
  await Promise.all(waiting.map(({ gone }) => gone));
  const answers = await Promise.all(waiting.map(() => takeDataplane(directory, '1.0.0')));
  const holders = answers.filter((answer): answer is HeldName => 'release' in answer);
  assert.equal(holders.length, 1);
  for (const answer of answers) if ('close' in answer) answer.close();
  holders[0]?.release();
});

test('a holder that is killed has it no more', async () => {
  const directory = pinDir();
  const script = `
    const { takeDataplane } = await import(${JSON.stringify(new URL('../../../collector/src/attach/dataplane/lock.ts', import.meta.url).href)});
    await takeDataplane(${JSON.stringify(directory)}, '1.0.0');
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const { holder, gone } = await taken(directory);
  assert.equal(holder.pid, child.pid);
  child.kill('SIGKILL');
  await gone;
  (await held(directory)).release();
});

test('who says nothing that is understood has it all the same', async () => {
  for (const words of ['hello', '{"pid": "1"}', '[]', 'null', `{"pid": 1, "release": 2, "since": "now"}`]) {
    const directory = pinDir();
    const first = await holdName('dataplane', directory, words);
    await assert.rejects(takeDataplane(directory, '1.0.0'), { code: 'FLOW_DATAPLANE_HELD' });
    first.release();
  }
});
