/** This kernel's column of build/kernels.md: as in kernels.test.ts, in a cgroup of this machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { run } from '../../deploy/lab/program.ts';
import { builtTestProgram } from './build.ts';
import { judge } from './vm/judge.ts';
import { linesBehind, REPORT_MARK, type Report } from './vm/report.ts';

test('this kernel attaches every program and records every kind', async (context) => {
  builtTestProgram('lose.bpf.o');
  const cgroup = createCgroup();
  try {
    const script = new URL('vm/watch.ts', import.meta.url).pathname;
    const [report] = linesBehind<Report>(REPORT_MARK, await run({ cgroup }, [process.execPath, script, cgroup.path]));
    assert.ok(report);
    judge(report, context);
  } finally {
    cgroup.remove();
  }
});
