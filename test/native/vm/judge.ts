/** What must hold of a kernel on which everything is attached and some traffic was made. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { DATAPLANE_PROGRAMS } from '../../../collector/src/attach/dataplane/programs.ts';
import { kernelAtLeast } from '../../../collector/src/attach/host.ts';
import { PROGRAMS, SHARED_PROGRAMS } from '../../../collector/src/attach/programs.ts';
import type { Report } from './report.ts';
import { EXPECTED, REQUESTS } from './smoke.ts';
import { hasBaseline, keepReport, verifierGrowth } from './verifier.ts';

const ALL = [...PROGRAMS, ...SHARED_PROGRAMS];

/** Keeps the report for the table, and demands programs, records of every kind, and no growth of the verifier's work. */
export function judge(report: Report, context: TestContext): void {
  keepReport(report);
  assert.equal(report.error, '', report.log);
  for (const { name, attached, reason, verifiedInstructions } of report.programs) {
    const floor = ALL.find((program) => program.name === name)?.kernelFloor ?? '';
    assert.equal(attached, kernelAtLeast(report.kernel, floor), `${name} (from ${floor}): ${reason}`);
    context.diagnostic(`${name}: ${attached ? `${verifiedInstructions} instructions verified` : reason}`);
  }
  assert.equal(report.programs.length, ALL.length);
  for (const { name, attached, reason, verifiedInstructions } of report.dataplane) {
    const floor = DATAPLANE_PROGRAMS.find((program) => program.name === name)?.kernelFloor ?? '';
    assert.equal(attached, kernelAtLeast(report.kernel, floor), `${name} (from ${floor}): ${reason}`);
    context.diagnostic(`${name}: ${attached ? `${verifiedInstructions} instructions verified` : reason}`);
  }
  assert.equal(report.dataplane.length, DATAPLANE_PROGRAMS.length);
  const missing = EXPECTED.filter((name) => !(name in report.records));
  assert.deepEqual(missing, [], `was not recorded; recorded was ${JSON.stringify(report.records)}`);
  assert.ok((report.records.request ?? 0) >= 2 * REQUESTS, 'both ends of each request were seen');
  assert.equal(report.homeless, 0, 'addresses without room in the table');
  assert.ok(report.stamped >= REQUESTS, `${report.stamped} records have the endpoint of their other end`);
  const grown = verifierGrowth(report);
  assert.equal(grown, '', grown);
  if (!hasBaseline(report.kernel)) {
    context.diagnostic(`no verifier baseline for Linux ${report.kernel}: make test-kernels ACCEPT=1 writes one`);
  }
}
