/**
 * The kernels Flowspan claims to run on, to a user with the capabilities of collector/src/attach/capabilities.ts alone:
 * every program attaches there, or is known to need a later one, and every kind of record is written. And what the
 * collector says there of machines on which something is missing.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CAPABILITIES } from '../../collector/src/attach/capabilities.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { bootAndWatch, bootableKernels, buildMachine } from './vm/boot.ts';
import { judge } from './vm/judge.ts';
import type { Refusal } from './vm/report.ts';
import { growth, kernelTable } from './vm/verifier.ts';

const kernels = bootableKernels();
const skip = kernels.length === 0 ? 'no kernels to boot: run make fixtures' : false;

function checkRefusals(refusals: readonly Refusal[]): void {
  const of = (machine: string): Refusal => {
    const one = refusals.find((candidate) => candidate.machine === machine);
    assert.ok(one, `${machine}: nothing was said; said was ${JSON.stringify(refusals)}`);
    return one;
  };
  assert.equal(of('cgroup v1').code, 'FLOW_ATTACH_CGROUP');
  assert.match(of('cgroup v1').message, /not mounted\. Mount it, beside cgroup v1 .*mount -t cgroup2 none/);
  assert.deepEqual([of('cgroup v1 and v2').code, of('cgroup v1 and v2').missing], ['', ''], 'the next step helps');
  assert.equal(of('without types').code, 'FLOW_ATTACH_TYPES');
  assert.match(of('without types').message, /\/sys\/kernel\/btf\/vmlinux is not there.*CONFIG_DEBUG_INFO_BTF/);
  // Each capability, and what is missed without it: test/fault/rights.test.ts.
  assert.equal(of('without CAP_PERFMON').code, 'FLOW_ATTACH_CAPABILITIES');
  assert.match(of('without CAP_PERFMON').message, /runs without CAP_PERFMON\. Run it as root, or give it CAP_BPF, /);
  const optional = CAPABILITIES.find(({ name }) => name === 'CAP_SYS_PTRACE');
  assert.deepEqual([of('without CAP_SYS_PTRACE').code, of('without CAP_SYS_PTRACE').missing], ['', optional?.missing]);
}

describe('older kernels', { skip }, () => {
  let machine = '';
  before(() => {
    machine = buildMachine(temporaryFolder());
  });

  for (const kernel of kernels) {
    test(`Linux ${kernel.release}`, async (context) => {
      const { report, refusals } = await bootAndWatch(kernel, machine);
      assert.equal(report.kernel, kernel.release);
      judge(report, context);
      // Debian's kernels have it as a module, and the emulated machine has no modules: EPROTONOSUPPORT.
      assert.equal(report.conntrack, 'FLOW_NATIVE_CONNTRACK 93');
      checkRefusals(refusals);
    });
  }
});

const walked = (verifiedInstructions: number, name = 'kfree_skb') => ({
  kernel: '6.1.0-56-cloud-amd64',
  programs: [{ name, attached: true, reason: '', verifiedInstructions }],
});

test('growth of more than a fifth is told, and so is a program that is new', () => {
  const known = { '6.1': { kfree_skb: 1000 } };
  assert.deepEqual(growth(walked(1200), known), []);
  assert.deepEqual(growth(walked(1201), known), ['kfree_skb: 1000 -> 1201 instructions, +20 %']);
  assert.deepEqual(growth(walked(5, 'new_one'), known), ['new_one: 5 instructions, nothing is committed for it']);
  assert.deepEqual(growth(walked(0, 'absent'), known), [], 'a program that this kernel does not take');
  assert.deepEqual(growth({ ...walked(9999), kernel: '6.6.1' }, known), [], 'a kernel without a baseline');
});

test('the table has a row per program and a column per kernel', () => {
  const empty = { error: '', log: '', dataplane: [], conntrack: '', homeless: 0, stamped: 0 };
  const table = kernelTable([{ ...empty, ...walked(1201), records: { request: 20 } }]);
  assert.match(table, /^\| program \| from \| 6\.1\.0-56-cloud-amd64 \|$/m);
  assert.match(table, /^\| kfree_skb \| 5\.17 \| loads, 1201 instructions, attaches \|$/m);
  assert.match(table, /^\| cgroup_mkdir \| 5\.8 \| not known \|$/m);
  assert.match(table, /^\| request \| 20 \|$/m);
});
