/** Services and slices as they are written, and as they must not be: refused whole, with a path and a next step. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readObjects } from '../../../collector/src/control/services/read.ts';
import { readBalancedService } from '../../../collector/src/control/services/service_object.ts';
import { readBalancedSlice } from '../../../collector/src/control/services/slice_object.ts';
import { service, slice } from '../../bpf/services/objects.ts';

/** A copy of an object in which one field, by its path, is another; undefined removes it. */
function but(object: unknown, path: string, value: unknown): unknown {
  const copy = structuredClone(object) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop()!;
  let here: Record<string, unknown> = copy;
  for (const key of keys) {
    here[key] ??= {};
    here = here[key] as Record<string, unknown>;
  }
  if (value === undefined) delete here[last];
  else here[last] = value;
  return copy;
}

const WEB = service('web', ['10.96.0.10', 'fd00::10'], {
  type: 'LoadBalancer',
  ports: [
    { name: 'web', port: 80, nodePort: 30_080 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ],
  externalIPs: ['192.0.2.1'],
  sessionAffinity: 'ClientIP',
  externalTrafficPolicy: 'Local',
});
const SLICE = slice('web', 8080, [
  { address: '10.0.0.1', nodeName: 'node-1', zone: 'zone-a', hints: { forZones: [{ name: 'zone-a' }] } },
  { address: '10.0.0.2', conditions: { ready: false, serving: true, terminating: true } },
]);

describe('a Service', () => {
  it('is read with all that balancing needs', () => {
    const read = readBalancedService(
      but(WEB, 'status.loadBalancer.ingress', [{ ip: '203.0.113.7' }, { hostname: 'lb' }]),
    );
    assert.deepEqual(read, {
      namespace: 'shop',
      name: 'web',
      leftAlone: '',
      limits: [],
      families: [4, 6],
      clusterAddresses: ['10.96.0.10', 'fd00::10'],
      externalAddresses: ['192.0.2.1'],
      balancerAddresses: ['203.0.113.7'],
      ports: [
        { name: 'web', protocol: 6, port: 80, nodePort: 30_080 },
        { name: 'dns', protocol: 17, port: 53, nodePort: 0 },
      ],
      affinitySeconds: 10_800,
      internalLocal: false,
      externalLocal: true,
      publishNotReady: false,
    });
  });

  it('has its addresses in one spelling', () => {
    const read = readBalancedService(service('web', ['FD00:0:0::00Ff']));
    assert.deepEqual(read.clusterAddresses, ['fd00::ff']);
  });

  const LEFT_ALONE: readonly [string, unknown, RegExp][] = [
    ['headless', service('web', ['None']), /headless/],
    ['headless, by the older field', but(service('web', []), 'spec.clusterIP', 'None'), /headless/],
    ['a name', but(service('web', []), 'spec.type', 'ExternalName'), /name for a service elsewhere/],
    ['without an address yet', but(WEB, 'spec.clusterIPs', []), /no cluster address/],
    [
      'of another proxy',
      but(WEB, 'metadata.labels', { 'service.kubernetes.io/service-proxy-name': 'other' }),
      /proxy other/,
    ],
  ];
  for (const [what, object, why] of LEFT_ALONE)
    it(`is left alone: ${what}`, () => assert.match(readBalancedService(object).leftAlone, why));

  it('says what of it is left to others', () => {
    const sctp = readBalancedService(but(WEB, 'spec.ports', [{ name: 'x', port: 9, protocol: 'SCTP' }]));
    assert.deepEqual(sctp.ports, []);
    assert.match(sctp.limits.join(), /9\/SCTP/);
    const ingress = but(WEB, 'status.loadBalancer.ingress', [{ ip: '203.0.113.7' }]);
    const restricted = readBalancedService(but(ingress, 'spec.loadBalancerSourceRanges', ['192.0.2.0/24']));
    assert.deepEqual(restricted.balancerAddresses, []);
    assert.match(restricted.limits.join(), /left to others/);
    const proxied = but(WEB, 'status.loadBalancer.ingress', [{ ip: '203.0.113.7', ipMode: 'Proxy' }]);
    assert.deepEqual(readBalancedService(proxied).balancerAddresses, []);
  });

  const MALFORMED: readonly [string, unknown][] = [
    ['metadata.name', ''],
    ['metadata.name', 7],
    ['metadata', 'web'],
    ['spec', []],
    ['spec.clusterIPs', ['10.96.0']],
    ['spec.clusterIPs', ['010.96.0.1']],
    ['spec.clusterIPs', ['0x0a.1']],
    ['spec.clusterIPs', ['10.96.0.256']],
    ['spec.clusterIPs', ['10.96.0.1.']],
    ['spec.clusterIPs', ['10.96.0.1.2']],
    ['spec.clusterIPs', ['10.96..1']],
    ['spec.clusterIPs', ['fe80::1%eth0']],
    ['spec.clusterIPs', ['::ffff:10.96.0.1']],
    ['spec.clusterIPs', ['10.0.0.1', '10.0.0.2', '10.0.0.3']],
    ['spec.clusterIPs', '10.96.0.1'],
    ['spec.externalIPs', [null]],
    ['spec.ports', [{ port: 0 }]],
    ['spec.ports', [{ port: 65_536 }]],
    ['spec.ports', [{ port: '80' }]],
    ['spec.ports', [{ port: 80.5 }]],
    ['spec.ports', [{}]],
    ['spec.ports', [{ port: 80, protocol: 'tcp' }]],
    ['spec.ports', [{ port: 80, nodePort: -1 }]],
    ['spec.ports', Array.from({ length: 257 }, () => ({ port: 80 }))],
    ['spec.sessionAffinity', 'Cookie'],
    ['spec.sessionAffinityConfig', { clientIP: { timeoutSeconds: 0 } }],
    ['spec.sessionAffinityConfig', { clientIP: { timeoutSeconds: 86_401 } }],
    ['spec.internalTrafficPolicy', 'local'],
    ['spec.externalTrafficPolicy', {}],
    ['spec.publishNotReadyAddresses', 'yes'],
    ['spec.type', 'Cluster'],
    ['status.loadBalancer.ingress', [{ ip: 'lb.example' }]],
  ];
  for (const [path, value] of MALFORMED)
    it(`is refused whole with ${path} ${JSON.stringify(value).slice(0, 60)}`, () => {
      const { services, conditions } = readObjects([but(WEB, path, value)]);
      assert.deepEqual(services, []);
      assert.equal(conditions.length, 1);
      const [condition] = conditions;
      assert.deepEqual([condition?.kind, condition?.accepted, condition?.reason], ['Service', false, 'Malformed']);
      assert.ok(condition?.message.includes(path.split('.').at(-1)!), condition?.message);
    });
});

describe('an EndpointSlice', () => {
  it('is read with all that balancing needs', () => {
    assert.deepEqual(readBalancedSlice(SLICE), {
      namespace: 'shop',
      name: 'web-8080',
      service: 'web',
      family: 4,
      ports: [{ name: 'web', protocol: 6, port: 8080 }],
      endpoints: [
        {
          ...{ address: '10.0.0.1', ready: true, serving: true, terminating: false },
          ...{ node: 'node-1', zone: 'zone-a', forZones: ['zone-a'], forNodes: [] },
        },
        {
          ...{ address: '10.0.0.2', ready: false, serving: true, terminating: true },
          ...{ node: '', zone: '', forZones: [], forNodes: [] },
        },
      ],
    });
  });

  it('has unknown conditions mean ready, serving, and not terminating', () => {
    const [endpoint] = readBalancedSlice(slice('web', 80, [{ address: '10.0.0.1', conditions: {} }])).endpoints;
    assert.deepEqual([endpoint?.ready, endpoint?.serving, endpoint?.terminating], [true, true, false]);
  });

  it('is refused where its endpoints are names', () => {
    const { conditions } = readObjects([but(SLICE, 'addressType', 'FQDN')]);
    assert.deepEqual(
      conditions.map(({ reason }) => reason),
      ['NamesLeftAlone'],
    );
  });

  const MALFORMED: readonly [string, unknown][] = [
    ['addressType', 'ipv4'],
    ['addressType', 'IPv6'],
    ['endpoints', [{}]],
    ['endpoints', [{ addresses: [] }]],
    ['endpoints', [{ addresses: ['10.0.0.1'], conditions: { ready: 'true' } }]],
    ['endpoints', [{ addresses: ['10.0.0.1'], conditions: [] }]],
    ['endpoints', Array.from({ length: 1001 }, () => ({ addresses: ['10.0.0.1'] }))],
    ['ports', [{ port: 70_000 }]],
    ['ports', [{ port: 80, protocol: 'ICMP' }]],
  ];
  for (const [path, value] of MALFORMED)
    it(`is refused whole with ${path} ${JSON.stringify(value).slice(0, 60)}`, () => {
      const { slices, conditions } = readObjects([but(SLICE, path, value)]);
      assert.deepEqual([slices, conditions.map(({ reason }) => reason)], [[], ['Malformed']]);
    });
});

describe('objects', () => {
  it('of other kinds, and what is none, are passed over', () => {
    const none = [null, undefined, 7, 'Service', [], {}, { kind: 'Pod' }, Object.create({ kind: 'Service' })];
    assert.deepEqual(readObjects(none), { services: [], slices: [], conditions: [] });
  });

  it('may hold what an object inherits without being read by it', () => {
    const odd = JSON.parse(
      '{"kind":"Service","metadata":{"name":"x","__proto__":{"namespace":"y"}},"spec":{"__proto__":{"clusterIP":"10.0.0.1"}}}',
    );
    assert.equal(readObjects([odd]).services[0]?.namespace, 'default');
  });
});
