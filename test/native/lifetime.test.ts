/** A process or worker may end at any stage of a handle's life, in any way: no crash, nothing left in the kernel. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { builtTestProgram } from './build.ts';
import { withProbe } from './probe.ts';
import { EXIT_CODE, STAGES } from './stages.ts';

/** How it ends, and what the process then says: exit code or signal. */
const ENDINGS: Readonly<Record<string, number | NodeJS.Signals>> = {
  return: 0,
  exit: EXIT_CODE,
  throw: 1,
  killed: 'SIGKILL',
  'worker returns': 0,
  'worker exits': 0,
  'worker throws': 0,
  'worker terminated': 0,
  'worker outlived by nobody': EXIT_CODE,
};

/** Stages that load nothing. */
const LOADLESS: readonly string[] = ['imported', 'opened', 'load failed', 'statistics and types'];

interface Ended {
  readonly result: number | NodeJS.Signals | null;
  readonly programs: readonly number[];
  readonly errors: string;
}

async function runStage(stage: string, ending: string): Promise<Ended> {
  const script = new URL('./stages.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--expose-gc', script, stage, ending], { timeout: 20_000 });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  const programs = output.split(/[,\n]/).filter((id) => id !== '');
  return { result: signal ?? code, programs: programs.map(Number), errors };
}

/** Ids of the probe's programs that the kernel still has. */
function programsInKernel(): Set<number> {
  const all = JSON.parse(execFileSync('bpftool', ['-j', 'prog', 'show'], { encoding: 'utf8' })) as { id: number }[];
  return new Set(all.map(({ id }) => id));
}

before(() => {
  builtTestProgram('probe.bpf.o');
});

for (const [ending, expected] of Object.entries(ENDINGS)) {
  describe(ending, { concurrency: 2 }, () => {
    for (const stage of Object.keys(STAGES)) {
      test(stage, async () => {
        const ended = await runStage(stage, ending);
        assert.equal(ended.result, expected, ended.errors);
        if (!LOADLESS.includes(stage)) assert.notEqual(ended.programs.length, 0, 'the stage was reached');
        await eventually('the programs to be gone', () => {
          const left = programsInKernel();
          return !ended.programs.some((id) => left.has(id));
        });
      });
    }
  });
}

test('opening, attaching, watching and closing many times leaks no memory and no descriptor', async () => {
  const turn = () =>
    withProbe((object) => {
      object.attach('on_system_call');
      object.iterate(object.attachIterator('walk_numbers', 'numbers'));
      object.map('numbers').entries();
    });
  const descriptors = () => readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 10; i++) await turn();
  const before = { descriptors: descriptors(), rss: process.memoryUsage.rss() };
  for (let i = 0; i < 60; i++) await turn();
  assert.ok(descriptors() <= before.descriptors + 2, `${descriptors()} descriptors, ${before.descriptors} before`);
  const grown = (process.memoryUsage.rss() - before.rss) / 1024 ** 2;
  assert.ok(grown < 24, `${grown.toFixed(1)} MiB more after 60 turns`);
});
