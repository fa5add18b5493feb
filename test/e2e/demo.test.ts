/** The demo, shortened: nothing broken, and the faults whose findings and alerts depend on each other. `make soak` runs all. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chosenFaults } from '../../deploy/demo/faults.ts';
import { runFault } from '../../deploy/demo/run.ts';
import { type Scene, startScene } from '../../deploy/demo/scene.ts';
import { whyNot } from '../support/flowspan.ts';

/** What the demo's times are multiplied by. */
const PACE = 0.5;
const LONGEST_MS = 200_000;

describe('the demo', { skip: whyNot() ?? false, timeout: LONGEST_MS }, () => {
  let scene: Scene;

  before(async () => {
    scene = await startScene();
  });

  after(async () => {
    await scene?.end();
  });

  it('finds nothing and lets no alert fire while nothing is broken', async () => {
    const { said, wrong } = await runFault(scene, undefined, PACE);
    assert.deepEqual(wrong, []);
    assert.deepEqual(said.findings, []);
  });

  // Behind the one with errors the shop would first have to become calm.
  for (const fault of [...chosenFaults('client_abort'), ...chosenFaults('both')]) {
    it(`tells the cause: ${fault.title}`, async () => {
      const { said, wrong } = await runFault(scene, fault, PACE);
      assert.deepEqual(wrong, []);
      assert.ok(said.findings.length >= fault.causes.length);
    });
  }
});
