/** Which backends a frontend has, by the words of Kubernetes' documentation. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Model, modelOf } from '../../../collector/src/control/services/model.ts';
import { readObjects } from '../../../collector/src/control/services/read.ts';
import { type EndpointSpec, service, slice } from '../../bpf/services/objects.ts';

const NODE = { name: 'node-1', zone: 'zone-a' };
const VIP = '10.96.0.10';

function model(...objects: readonly unknown[]): Model {
  const { services, slices, conditions } = readObjects(objects);
  assert.deepEqual(conditions, []);
  return modelOf({ services, slices, node: NODE, modeOf: () => 'enforce' });
}

/** Last numbers of the addresses of the backends that a frontend has. */
function backendsOf({ frontends }: Model, kind: string, address = ''): string[] {
  const frontend = frontends.find((each) => each.kind === kind && (address === '' || each.address === address));
  assert.ok(frontend, `${kind} ${address}`);
  return frontend.pool.candidates.map((backend) => backend.address.split(/[.:]/).at(-1)!);
}

const READY = {};
const UNREADY = { conditions: { ready: false, serving: false } };
const ENDING = { conditions: { ready: false, serving: true, terminating: true } };
const ENDED = { conditions: { ready: false, serving: false, terminating: true } };
const HERE = { nodeName: NODE.name };
const THERE = { nodeName: 'node-2' };
const forZone = (...names: string[]) => ({ hints: { forZones: names.map((name) => ({ name })) } });
const forNode = (...names: string[]) => ({ hints: { forNodes: names.map((name) => ({ name })) } });

/** What each endpoint is, numbered from 1; which of them are chosen where all nodes' count, and where the own count. */
const CASES: readonly [string, Partial<EndpointSpec>[], string[], string[]][] = [
  [
    'ready ones',
    [
      { ...READY, ...HERE },
      { ...READY, ...THERE },
      { ...UNREADY, ...HERE },
    ],
    ['1', '2'],
    ['1'],
  ],
  ['no endpoint', [], [], []],
  [
    'none that is ready or ends',
    [
      { ...UNREADY, ...HERE },
      { ...UNREADY, ...THERE },
    ],
    [],
    [],
  ],
  [
    'serving ones that end, only if none is ready',
    [
      { ...ENDING, ...HERE },
      { ...READY, ...THERE },
    ],
    ['2'],
    ['1'],
  ],
  [
    'serving ones that end if none is ready',
    [
      { ...ENDING, ...HERE },
      { ...ENDING, ...THERE },
    ],
    ['1', '2'],
    ['1'],
  ],
  [
    'never those that end and serve no more',
    [
      { ...ENDED, ...HERE },
      { ...UNREADY, ...THERE },
    ],
    [],
    [],
  ],
  ['ready ones of other nodes', [{ ...READY, ...THERE }], ['1'], []],
  ['ones without a node', [READY], ['1'], []],
  [
    'those meant for the zone if all are hinted',
    [forZone('zone-a'), forZone('zone-b'), forZone('zone-a', 'zone-b')],
    ['1', '3'],
    [],
  ],
  ['all, if one has no hint', [forZone('zone-a'), forZone('zone-b'), {}], ['1', '2', '3'], []],
  ['all, if none is meant for the zone', [forZone('zone-b'), forZone('zone-c')], ['1', '2'], []],
  ['hints of those that are not ready do not count', [forZone('zone-a'), forZone('zone-b'), UNREADY], ['1'], []],
  [
    'those meant for the node before those for the zone',
    [
      { hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'node-2' }] } },
      { hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'node-1' }] } },
    ],
    ['2'],
    [],
  ],
  ['all, if none is meant for the node', [forNode('node-2'), forNode('node-3')], ['1', '2'], []],
];

describe('candidates of a service', () => {
  for (const [what, endpoints, cluster, local] of CASES)
    it(`are ${what}`, () => {
      const all = endpoints.map((each, at) => ({ address: `10.0.0.${at + 1}`, ...each }));
      const chosen = (policy: string) =>
        backendsOf(
          model(service('web', [VIP], { internalTrafficPolicy: policy }), slice('web', 80, all)),
          'cluster_ip',
        );
      assert.deepEqual(chosen('Cluster'), cluster);
      assert.deepEqual(chosen('Local'), local);
    });

  it('are those that are not ready, too, where it publishes them', () => {
    const objects = [
      service('web', [VIP], { publishNotReadyAddresses: true }),
      slice('web', 80, [{ address: '10.0.0.1', ...UNREADY }, '10.0.0.2']),
    ];
    assert.deepEqual(backendsOf(model(...objects), 'cluster_ip'), ['1', '2']);
  });

  it("are of the frontend's family, port name and protocol, and of its namespace", () => {
    const stranger = slice('web', 80, ['10.0.0.9'], { name: 'stranger' }) as { metadata: { namespace: string } };
    stranger.metadata.namespace = 'elsewhere';
    const made = model(
      service('web', [VIP, 'fd00::10'], {
        ports: [
          { name: 'web', port: 80 },
          { name: 'other', port: 81 },
        ],
      }),
      slice('web', 8080, ['10.0.0.1', '10.0.0.2']),
      slice('web', 8080, ['fd00::7'], { name: 'six' }),
      slice('web', 8080, ['10.0.0.3'], { name: 'udp', protocol: 'UDP' }),
      stranger,
    );
    assert.deepEqual(backendsOf(made, 'cluster_ip', VIP), ['1', '2']);
    assert.deepEqual(backendsOf(made, 'cluster_ip', 'fd00::10'), ['7']);
    const other = made.frontends.find(({ port }) => port === 81);
    assert.deepEqual(other?.pool.candidates, []);
    assert.deepEqual(made.frontends[0]?.pool.candidates[0], {
      ...{ address: '10.0.0.1', port: 8080, weight: 1 },
    });
  });

  it('are there once, though two slices have them, and ready if one says so', () => {
    const made = model(
      service('web', [VIP]),
      slice('web', 80, [{ address: '10.0.0.1', ...UNREADY }, '10.0.0.2'], { name: 'old' }),
      slice('web', 80, ['10.0.0.1', { address: '10.0.0.2', ...UNREADY }], { name: 'new' }),
    );
    assert.deepEqual(backendsOf(made, 'cluster_ip'), ['1', '2']);
  });
});

describe('frontends of a service', () => {
  const balanced = (spec: Record<string, unknown>) => {
    const object = service('web', [VIP], {
      type: 'LoadBalancer',
      ports: [{ name: 'web', port: 80, nodePort: 30_080 }],
      externalIPs: ['192.0.2.1'],
      ...spec,
    }) as Record<string, unknown>;
    object.status = { loadBalancer: { ingress: [{ ip: '203.0.113.7' }] } };
    return model(
      object,
      slice('web', 80, [
        { address: '10.0.0.1', ...HERE },
        { address: '10.0.0.2', ...THERE },
      ]),
    );
  };

  it('are its cluster, external and load-balancer addresses, and its node port', () => {
    const made = balanced({});
    assert.deepEqual(
      made.frontends.map(({ kind, address, port, ownNodeOnly }) => [kind, address, port, ownNodeOnly]),
      [
        ['cluster_ip', VIP, 80, false],
        ['load_balancer_ip', '203.0.113.7', 80, false],
        ['node_port', '', 30_080, false],
        ['external_ip', '192.0.2.1', 80, false],
      ],
    );
    assert.equal(made.pools.size, 1, 'all have one table');
  });

  it('have the policy of their kind: external addresses are cluster-wide from within', () => {
    const made = balanced({ externalTrafficPolicy: 'Local' });
    assert.deepEqual(backendsOf(made, 'cluster_ip'), ['1', '2']);
    assert.deepEqual(backendsOf(made, 'load_balancer_ip'), ['1', '2']);
    assert.deepEqual(backendsOf(made, 'external_ip'), ['1', '2']);
    assert.deepEqual(backendsOf(made, 'node_port'), ['1']);
    assert.ok(made.frontends.find(({ kind }) => kind === 'node_port')?.ownNodeOnly);
    const internal = balanced({ internalTrafficPolicy: 'Local' });
    assert.deepEqual(backendsOf(internal, 'cluster_ip'), ['1']);
    assert.deepEqual(backendsOf(internal, 'node_port'), ['1', '2']);
  });

  it('know whether other nodes have backends where the own alone count', () => {
    const others = (...endpoints: EndpointSpec[]) => {
      const made = model(service('web', [VIP], { internalTrafficPolicy: 'Local' }), slice('web', 80, endpoints));
      return made.frontends[0]?.pool.hasOthers;
    };
    assert.equal(others({ address: '10.0.0.1', ...THERE }), true);
    assert.equal(others({ address: '10.0.0.1', ...HERE }), false);
    assert.equal(others({ address: '10.0.0.1', ...THERE, ...UNREADY }), false);
  });

  it('of a headless service are none, and its condition says so', () => {
    const made = model(service('web', ['None'], { externalIPs: ['192.0.2.1'] }));
    assert.deepEqual(made.frontends, []);
    assert.deepEqual(
      made.conditions.map(({ accepted, reason }) => [accepted, reason]),
      [[true, 'LeftAlone']],
    );
  });

  it('are whose name comes first where two want one, but an external address never takes a cluster address', () => {
    const made = model(
      service('attacker', ['10.96.0.1'], { externalIPs: [VIP] }),
      service('bank', [VIP]),
      slice('attacker', 80, ['10.6.6.6']),
      slice('bank', 80, ['10.0.0.1']),
    );
    const frontend = made.frontends.find(({ address }) => address === VIP);
    assert.equal(frontend?.pool.service, 'bank');
    const conditions = new Map(made.conditions.map((condition) => [condition.name, condition]));
    assert.equal(conditions.get('bank')?.reason, 'Accepted');
    assert.equal(conditions.get('attacker')?.reason, 'AcceptedInPart');
    assert.match(conditions.get('attacker')!.message, /Another service has 10\.96\.0\.10 80\/TCP/);
  });

  it('are refused whole where there are more backends than a table holds', () => {
    const many = Array.from({ length: 66 }, (_, part) =>
      slice(
        'web',
        80,
        Array.from({ length: 1000 }, (_, at) => `10.${part}.${at >> 8}.${at & 255}`),
        { name: `part-${part}` },
      ),
    );
    const made = model(service('web', [VIP]), ...many);
    assert.deepEqual(made.frontends, []);
    assert.deepEqual(
      made.conditions.map(({ accepted, reason }) => [accepted, reason]),
      [[false, 'TooManyBackends']],
    );
  });
});
