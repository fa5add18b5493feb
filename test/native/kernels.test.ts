/** The kernels Flowspan claims to run on: every program attaches there, or is known to need a later one, and sees. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ENUMS } from '../../bpf/wire/events.gen.ts';
import { kernelAtLeast } from '../../collector/src/attach/host.ts';
import { PROGRAMS } from '../../collector/src/attach/programs.ts';
import { bootAndWatch, bootableKernels, buildMachine, withDirectory } from './vm/boot.ts';
import { REQUESTS } from './vm/watch.ts';

const kernels = bootableKernels();
const skip = kernels.length === 0 ? 'no kernels to boot: run make fixtures' : false;

describe('older kernels', { skip }, () => {
  for (const kernel of kernels) {
    test(`Linux ${kernel.release}`, (context) =>
      withDirectory(async (directory) => {
        const report = await bootAndWatch(kernel, buildMachine(directory));
        assert.equal(report.kernel, kernel.release);
        assert.equal(report.error, '', report.log);
        for (const { name, attached, reason, verifiedInstructions } of report.programs) {
          const floor = PROGRAMS.find((program) => program.name === name)?.kernelFloor ?? '';
          assert.equal(attached, kernelAtLeast(kernel.release, floor), `${name} (from ${floor}): ${reason}`);
          context.diagnostic(`${name}: ${attached ? `${verifiedInstructions} instructions verified` : reason}`);
        }
        // Debian's kernels have it as a module, and the emulated machine has no modules: EPROTONOSUPPORT.
        assert.equal(report.conntrack, 'FLOW_NATIVE_CONNTRACK 93');
        assert.ok((report.records[ENUMS.record_kind.flow] ?? 0) > 0, 'flows were seen');
        assert.ok((report.records[ENUMS.record_kind.request] ?? 0) >= REQUESTS, 'requests were seen');
        assert.equal(report.homeless, 0, 'addresses without room in the table');
        assert.ok(report.stamped >= REQUESTS, `${report.stamped} records have the endpoint of their other end`);
      }));
  }
});
