/** Results whose reader has gone: the engine is never left waiting for one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { ResultPipes } from '../../store/embedded/result_pipe.ts';

const PATIENCE_MS = 10_000;
const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true, force: true }));

const write = (path: string, bytes: number) =>
  promisify(execFile)('sh', ['-c', `head -c ${bytes} /dev/zero > "$1"`, 'sh', path], { timeout: PATIENCE_MS });

test('a statement that opens the pipe after its reader has gone, and fills it, ends', async () => {
  const pipes = new ResultPipes(join(folder, 'late'), 1);
  const pipe = await pipes.take(new AbortController().signal);
  pipe.readable.destroy();
  await once(pipe.readable, 'close');
  await sleep(50);
  await write(pipe.path, 1_000_000);
  pipe.finish();
  const next = await pipes.take(AbortSignal.timeout(PATIENCE_MS));
  assert.equal(next.path, pipe.path, 'the pipe is lent again');
  const chunks: Buffer[] = [];
  next.readable.on('data', (chunk: Buffer) => chunks.push(chunk));
  await write(next.path, 1000);
  next.finish();
  await once(next.readable, 'close');
  assert.equal(Buffer.concat(chunks).length, 1000, 'nothing of the statement before');
  pipes.close();
});
