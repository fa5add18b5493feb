import assert from 'node:assert/strict';
import test from 'node:test';
import { BpfRunTime } from '../../collector/src/deliver/prometheus/bpf_run_time.ts';
import type { Kernel } from '../../collector/src/kernel.ts';

test('the kernel counts for a minute after each question, and then no longer', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let handles = 0;
  const kernel = {
    countRunTime() {
      handles += 1;
      return {
        close() {
          handles -= 1;
        },
      };
    },
    programStats: () => [{ name: 'cgroup_egress', runCount: 3n, runTimeNs: 1_500_000_000n }],
  } as unknown as Kernel;
  const runTime = new BpfRunTime(kernel);
  assert.equal(handles, 0);
  runTime.count();
  t.mock.timers.tick(59_000);
  runTime.count();
  t.mock.timers.tick(59_000);
  assert.equal(handles, 1);
  t.mock.timers.tick(1000);
  assert.equal(handles, 0);
  runTime.count();
  assert.equal(handles, 1);
  runTime.close();
  assert.equal(handles, 0);
  const shown = runTime.families().map(({ name, samples }) => [name, ...samples]);
  assert.deepEqual(shown, [
    ['flowspan_bpf_run_seconds_total', { suffix: '', labels: 'program="cgroup_egress"', value: 1.5 }],
    ['flowspan_bpf_runs_total', { suffix: '', labels: 'program="cgroup_egress"', value: 3 }],
  ]);
});
