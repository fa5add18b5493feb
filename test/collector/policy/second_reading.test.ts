/** The model against a second, independent reading of NetworkPolicy v1, over random policies and pods. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { modelOf, PROTOCOLS } from '../../../collector/src/control/policy/model.ts';
import { readPolicy } from '../../../collector/src/control/policy/read_policy.ts';
import { verdict } from '../../../collector/src/control/policy/verdict.ts';
import { naivelyAllowed, type PlainConnection, type PlainEnd, type PlainPolicy } from './support/naive.ts';
import { endOf } from './support/plain.ts';
import * as made from './support/random.ts';

const WORLDS = 400;
const CONNECTIONS = 100;
const SEED = 20_261_122;

function plainEnd(random: made.Random, pods: readonly made.PlainPod[]): PlainEnd {
  const pod = made.pick(random, pods);
  const node = made.pick(random, ['n1', 'n2']);
  const outside = { ip: made.pick(random, made.OUTSIDE) };
  return made.pick(random, [
    { pod, ip: pod.ip },
    { pod, ip: pod.ip },
    outside,
    { node, ip: `192.168.0.${node.slice(1)}` },
  ]);
}

describe('NetworkPolicy v1, read twice', () => {
  it('both readings allow and deny the same', () => {
    const told = { allowed: 0, denied: 0 };
    for (let world = 0; world < WORLDS; world += 1) {
      const random = made.randomOf(SEED + world);
      const pods = made.plainPods(random);
      const objects = made.some(random, 4, () => 0).map((_, index) => made.networkPolicy(random, `p${index}`));
      const read = objects.map(readPolicy);
      for (const { condition } of read) assert.equal(condition.accepted, true, condition.message);
      const policies = read.flatMap((one) => one.policies);
      const model = modelOf(policies, { mode: 'enforce', namespaces: new Map() });
      for (let index = 0; index < CONNECTIONS; index += 1) {
        const connection: PlainConnection = {
          source: plainEnd(random, pods),
          destination: plainEnd(random, pods),
          protocol: made.pick(random, made.PROTOCOL_NAMES),
          port: made.portNumber(random),
        };
        const expected = naivelyAllowed(objects as PlainPolicy[], connection);
        const { verdict: word } = verdict(model, {
          source: endOf(connection.source),
          destination: endOf(connection.destination),
          protocol: PROTOCOLS[connection.protocol as keyof typeof PROTOCOLS],
          port: connection.port,
        });
        const context = () => JSON.stringify({ seed: SEED + world, connection, objects }, undefined, 1);
        assert.equal(word !== 'DENIED', expected, expected ? `denied: ${context()}` : `allowed: ${context()}`);
        told[expected ? 'allowed' : 'denied'] += 1;
      }
    }
    // Worlds in which all is allowed, or nothing, would prove little.
    assert.ok(Math.min(told.allowed, told.denied) > (WORLDS * CONNECTIONS) / 6, JSON.stringify(told));
  });
});
