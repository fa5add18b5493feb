/** Services, slices and nodes in which anything may stand anywhere: taken whole or refused whole, and never thrown over. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkBalanced, ServiceBalancer } from '../../collector/src/control/services/balancer.ts';
import { ServiceTables } from '../../collector/src/control/services/compile.ts';
import { readObjects } from '../../collector/src/control/services/read.ts';
import { service, slice } from '../bpf/services/objects.ts';
import { numbers } from '../collector/services/numbers.ts';

const INPUTS = Number(process.env.FLOWSPAN_FUZZ_INPUTS ?? 4_000);
const SEED = Number(process.env.FLOWSPAN_FUZZ_SEED ?? 1);

const ODD: readonly unknown[] = [
  ...[null, undefined, true, false, 0, -1, 1, 80, 65_535, 65_536, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY],
  ...[
    '',
    'None',
    'Local',
    'Cluster',
    'ClientIP',
    'TCP',
    'UDP',
    'SCTP',
    'FQDN',
    'IPv6',
    'web',
    'x'.repeat(300),
    '\ud800',
  ],
  ...[
    '10.96.0.1',
    '10.0.0.1',
    '::',
    '::ffff:10.0.0.1',
    'fe80::1%lo',
    '1.2.3',
    '0x1.0.0.0',
    '1::2::3',
    '255.255.255.255',
  ],
  ...[[], [null], [[]], {}, [{}], ['10.0.0.1'], [{ ip: '10.0.0.9' }], { __proto__: null }, 'constructor', '__proto__'],
  Array.from({ length: 2000 }, () => ({ addresses: ['10.0.0.1'] })),
];

const NODE = {
  kind: 'Node',
  metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'a' } },
  status: { addresses: [{ type: 'InternalIP', address: '10.1.0.1' }] },
};
const SEEDS = [
  service('web', ['10.96.0.10', 'fd00::10'], {
    ...{ type: 'LoadBalancer', externalIPs: ['192.0.2.1'], sessionAffinity: 'ClientIP' },
    ...{ ports: [{ name: 'web', port: 80, nodePort: 30_080 }], loadBalancerSourceRanges: [] },
    ...{ internalTrafficPolicy: 'Local', sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } } },
  }),
  slice('web', 8080, [
    { address: '10.0.0.1', nodeName: 'node-1', hints: { forZones: [{ name: 'a' }] } },
    { address: '10.0.0.2', conditions: { ready: false, serving: true, terminating: true } },
  ]),
  NODE,
];

/** Every place within an object: who holds it, and by which key. */
function places(object: object): [holder: object, key: string][] {
  return Object.entries(object).flatMap(([key, value]) => [
    [object, key] as [object, string],
    ...(typeof value === 'object' && value !== null ? places(value) : []),
  ]);
}

it(`are taken or refused, ${INPUTS} inputs`, () => {
  const random = numbers(SEED);
  const outcomes = { taken: 0, refused: 0 };
  const balancer = new ServiceBalancer({
    node: 'node-1',
    modeOf: () => 'enforce',
    readTables: () => new ServiceTables({ services: 64, slots: 4096, backends: 4096, frontends: 64 }),
    apply: (changes) => {
      for (const { key, value } of [...changes.frontends, ...changes.backends])
        assert.ok(key.length === 24 || (key.length === 4 && value.length === 24));
    },
  });
  for (let round = 0; round < INPUTS; round += 1) {
    const object = structuredClone(SEEDS[round % SEEDS.length]) as { kind: string };
    for (let changes = 1 + random(2) * random(2); changes > 0; changes -= 1) {
      const all = places(object).filter(([, key]) => key !== 'kind');
      const [holder, key] = all[random(all.length)]!;
      Reflect.set(holder, key, structuredClone(ODD[random(ODD.length)]));
    }
    const id = { kind: object.kind, namespace: 'shop', name: `o${random(8)}` };
    const refusal = checkBalanced(id, object);
    const read = readObjects([object]);
    if (refusal === undefined) {
      balancer.take(id, object);
      outcomes.taken += 1;
    } else {
      assert.ok(refusal.reason !== '' && refusal.message !== '' && refusal.message.length < 1000, refusal.message);
      outcomes.refused += 1;
    }
    if (object.kind !== 'Node') assert.equal(read.conditions.length, refusal === undefined ? 0 : 1);
    if (round % 7 === 0) balancer.delete(id);
    if (round % 5 === 0) balancer.settled();
  }
  assert.ok(outcomes.taken > INPUTS / 20 && outcomes.refused > INPUTS / 20, JSON.stringify(outcomes));
});
