/** What a policy denies stays denied when the collector is killed, and each verdict is told in one row. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../../deploy/lab/wait.ts';
import { whyNot } from '../../support/flowspan.ts';
import { PolicyWorld } from './scene.ts';

const DENY = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {app: back}}, ingress: []}
`;
const BATCHES = 20;
const BATCH = 500;
/** Of a collector that begins again, on a machine that is busy. */
const RESTART_MS = 60_000;

describe('policies when the collector is killed', { skip: whyNot() ?? false }, () => {
  let world: PolicyWorld;
  before(async () => {
    world = await PolicyWorld.create();
    world.write('policy.yaml', DENY);
    await world.start('enforce');
    await world.judged();
  });
  after(() => world?.end());

  it('deny on, and each of 10,000 denied datagrams is told once', async () => {
    const outcomes = new Set<string>();
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const orders = Array.from({ length: BATCH }, () => ({ do: 'send', host: world.at[4], port: 81 }) as const);
      for (const outcome of await world.client.tell(...orders)) outcomes.add(outcome);
      if (batch === 5 || batch === 12) world.crash();
    }
    assert.deepEqual(outcomes, new Set(['nothing']));
    const columns = ['policy_name', 'policy_verdict', 'peer_workload', 'protocol'];
    const lines = () => world.verdicts(columns, "destination_port = 81 AND traffic_direction = 'ingress'");
    const wanted = [`nobody denied front 17 ${BATCHES * BATCH}`];
    await eventually('all to be told', async () => (await lines())[0] === wanted[0], RESTART_MS).catch(() => undefined);
    assert.deepEqual(await lines(), wanted);
  });

  it('deny SYNs, which are counted each', async () => {
    const told = () => world.verdicts(['policy_verdict'], "destination_port = 80 AND traffic_direction = 'ingress'");
    const connect = { do: 'connect', host: world.at[4], port: 80 } as const;
    assert.deepEqual(
      new Set(await world.client.tell(...Array.from({ length: 100 }, () => connect))),
      new Set(['nothing']),
    );
    await eventually('them to be told', async () => Number((await told())[0]?.split(' ')[1]) >= 100, RESTART_MS);
    // Given up after 400 ms, none has sent its SYN again.
    assert.deepEqual(await told(), ['denied 100']);
  });
});
