/** The whole demo as its command: all faults; ended by a signal or killed, it leaves nothing that the next one does not remove. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cgroupRoot } from '../../deploy/lab/cgroup.ts';
import { type Program, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import { isRunning } from '../support/up.ts';

const COMMAND = fileURLToPath(new URL('../../deploy/demo/main.ts', import.meta.url));
const WHOLE_MS = 900_000;
const OPEN_MS = 120_000;

const slices = (): string[] => readdirSync(cgroupRoot()).filter((name) => name.startsWith('flowspan-demo-'));

function startDemo(env: Record<string, string>): Program {
  return start({}, [process.execPath, COMMAND], { FAULTS: '', KEEP: '', ...env });
}

/** Starts a demo that keeps running, and resolves when it is open. */
async function openDemo(): Promise<{ demo: Program; slice: string }> {
  const demo = startDemo({ FAULTS: 'none', KEEP: '1' });
  await eventually(
    'the demo to open',
    () => {
      assert.equal(demo.process.exitCode, null, demo.output());
      return demo.output().includes('demo: customers buy');
    },
    OPEN_MS,
  );
  const slice = slices().find((name) => name.startsWith(`flowspan-demo-${demo.pid}-`));
  assert.ok(slice !== undefined, demo.output());
  return { demo, slice };
}

describe('make demo', { skip: whyNot() ?? false }, () => {
  it('tells every cause, and ends with 0', { timeout: WHOLE_MS }, async (test) => {
    const began = performance.now();
    const demo = startDemo({});
    await eventually('the demo to end', () => demo.process.exitCode !== null, WHOLE_MS);
    assert.equal(demo.process.exitCode, 0, demo.output());
    test.diagnostic(`took ${((performance.now() - began) / 1000).toFixed(0)} s`);
  });

  it('refuses a fault that there is not', async () => {
    const demo = startDemo({ FAULTS: 'earthquake' });
    await eventually('the demo to end', () => demo.process.exitCode !== null);
    assert.equal(demo.process.exitCode, 1);
    assert.match(demo.output(), /^FLOW_DEMO_FAULT/m);
  });

  it('removes everything when it is asked to end', { timeout: OPEN_MS * 2 }, async () => {
    const { demo, slice } = await openDemo();
    await demo.stop('SIGINT');
    assert.ok(!slices().includes(slice));
    assert.ok(!isRunning(demo.pid));
  });

  it('removes what a killed demo left', { timeout: OPEN_MS * 3 }, async () => {
    const killed = await openDemo();
    await killed.demo.stop('SIGKILL');
    assert.ok(slices().includes(killed.slice), 'it had no time to remove anything');
    const next = await openDemo();
    assert.ok(!slices().includes(killed.slice));
    await next.demo.stop('SIGINT');
    assert.deepEqual(slices(), []);
  });
});
