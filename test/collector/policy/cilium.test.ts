/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy by the words of their reference. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verdict } from '../../../collector/src/control/policy/verdict.ts';
import { connection, judged, model, type Row, reached, reaching } from './support/world.ts';

/** A policy of namespace x, or of the cluster. */
function cilium(spec: string, name = 'p', namespace = 'x'): string {
  return manifest('CiliumNetworkPolicy', `{name: ${name}, namespace: ${namespace}}`, spec);
}
function clusterwide(spec: string): string {
  return manifest('CiliumClusterwideNetworkPolicy', '{name: p}', spec);
}
function manifest(kind: string, metadata: string, spec: string): string {
  return `---\napiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: ${metadata}\nspec:\n${spec.replace(/^/gm, '  ')}\n`;
}

const A = 'endpointSelector: {matchLabels: {pod: a}}\n';
const KUBERNETES = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: k, namespace: x}
spec: {podSelector: {matchLabels: {pod: a}}, ingress: [{}]}
`;
const ALL = 'x/a x/b x/c y/a y/b y/c z/a z/b z/c';

/** Who reaches x/a at port 80, or whom x/a reaches. */
const SCENARIOS: readonly (readonly [title: string, policies: string, 'into' | 'outOf', expected: string])[] = [
  [
    'fromEndpoints is of the own namespace',
    cilium(`${A}ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`),
    'into',
    'x/a x/b',
  ],
  ['an empty selector is the own namespace', cilium(`${A}ingress: [{fromEndpoints: [{}]}]`), 'into', 'x/a x/b x/c'],
  ['in a policy of the cluster it is all pods', clusterwide(`${A}ingress: [{fromEndpoints: [{}]}]`), 'into', ALL],
  [
    'a namespace by name',
    cilium(`${A}ingress: [{fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: y, pod: b}}]}]`),
    'into',
    'x/a y/b',
  ],
  [
    'a namespace by its labels',
    cilium(`${A}ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.ns: z}}]}]`),
    'into',
    'x/a z/a z/b z/c',
  ],
  [
    'a namespace by expression',
    cilium(
      `${A}ingress: [{fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}]}]`,
    ),
    'into',
    ALL,
  ],
  [
    'a service account',
    cilium(`${A}ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: c}}]}]`),
    'into',
    'x/a x/c',
  ],
  ['an empty rule isolates and allows nothing', cilium(`${A}ingress: [{}]`), 'into', 'x/a'],
  ['an empty list of rules does nothing', cilium(`${A}ingress: []`), 'into', ALL],
  [
    'an empty list of peers selects nobody',
    cilium(`${A}ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: "80"}]}]}]`),
    'into',
    'x/a',
  ],
  [
    'ports without peers are for everybody',
    cilium(`${A}ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]`),
    'into',
    ALL,
  ],
  [
    'any protocol is UDP, too, and another port is not',
    cilium(`${A}ingress: [{toPorts: [{ports: [{port: "81"}]}]}]`),
    'into',
    'x/a',
  ],
  ['port 0 is every port', cilium(`${A}ingress: [{toPorts: [{ports: [{port: "0", protocol: TCP}]}]}]`), 'into', ALL],
  ['endPort', cilium(`${A}ingress: [{toPorts: [{ports: [{port: "70", endPort: 80}]}]}]`), 'into', ALL],
  ['a named port', cilium(`${A}ingress: [{toPorts: [{ports: [{port: serve-80-tcp, protocol: TCP}]}]}]`), 'into', ALL],
  ['entity all', cilium(`${A}ingress: [{fromEntities: [all]}]`), 'into', ALL],
  ['entity cluster', cilium(`${A}ingress: [{fromEntities: [cluster]}]`), 'into', ALL],
  ['entity world is not the cluster', cilium(`${A}ingress: [{fromEntities: [world]}]`), 'into', 'x/a'],
  ['a network is not about pods', cilium(`${A}ingress: [{fromCIDR: [10.0.0.0/8]}]`), 'into', 'x/a'],
  ['egress only isolates egress', cilium(`${A}egress: [{toEndpoints: [{matchLabels: {pod: b}}]}]`), 'into', ALL],
  ['egress by endpoints', cilium(`${A}egress: [{toEndpoints: [{matchLabels: {pod: b}}]}]`), 'outOf', 'x/a x/b'],
  [
    'a policy of the cluster is about all namespaces',
    clusterwide('endpointSelector: {}\negress: [{toEndpoints: [{matchLabels: {pod: b}}]}]'),
    'outOf',
    'x/a x/b y/b z/b',
  ],
  ['deny isolates, too', cilium(`${A}ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`), 'into', 'x/a'],
  [
    'deny wins over allow',
    cilium(`${A}ingress: [{fromEntities: [all]}]\ningressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`),
    'into',
    ALL.replace(' x/b', ''),
  ],
  [
    'deny wins over a NetworkPolicy',
    cilium(`${A}ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`) + KUBERNETES,
    'into',
    ALL.replace(' x/b', ''),
  ],
  [
    'allow adds up with a NetworkPolicy',
    cilium(`${A}ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`) + KUBERNETES.replace('[{}]', '[]'),
    'into',
    'x/a x/b',
  ],
  [
    'enableDefaultDeny false leaves open what deny does not name',
    cilium(`${A}enableDefaultDeny: {ingress: false}\ningressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`),
    'into',
    ALL.replace(' x/b', ''),
  ],
  [
    'enableDefaultDeny true isolates without rules',
    cilium(`${A}enableDefaultDeny: {egress: true}\ningress: [{fromEntities: [all]}]`),
    'outOf',
    'x/a',
  ],
  [
    'any policy may ask for it',
    cilium(`${A}enableDefaultDeny: {ingress: false}\ningress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]`) +
      cilium(`${A}ingress: [{}]`, 'q'),
    'into',
    'x/a x/b',
  ],
];

describe('CiliumNetworkPolicy, scenarios', () => {
  for (const [title, policies, way, expected] of SCENARIOS)
    it(title, () => {
      const of = model(policies);
      assert.equal(way === 'into' ? reaching(of, 'x/a') : reached(of, 'x/a'), expected);
    });

  it('a policy without namespace leaves nobody in', () => {
    assert.equal(reaching(model(clusterwide('endpointSelector: {}\ningress: [{}]')), 'x/a'), 'x/a');
    assert.equal(reaching(model(cilium('endpointSelector: {}\ningress: [{}]', 'p', 'y')), 'y/a'), 'y/a');
  });
});

const WORLD = cilium(`${A}ingress: [{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.128/25]}]}]`);
const HOST_DENIED = cilium(`${A}ingressDeny: [{fromEntities: [host]}]`);

const ROWS: readonly (readonly [title: string, policies: string, row: Row, expected: string])[] = [
  ['a network', WORLD, { from: '203.0.113.1', to: 'x/a' }, 'ALLOWED ingress rule namespace p spec.ingress[0]'],
  ['its exception', WORLD, { from: '203.0.113.129', to: 'x/a' }, 'DENIED ingress isolated namespace p'],
  [
    'a single address',
    cilium(`${A}egress: [{toCIDR: [203.0.113.9]}]`),
    { from: 'x/a', to: '203.0.113.9' },
    'ALLOWED egress rule namespace p spec.egress[0]',
  ],
  [
    'a network is not about nodes',
    cilium(`${A}egress: [{toCIDR: [192.168.0.0/16]}]`),
    { from: 'x/a', to: 'node-b' },
    'DENIED egress isolated namespace p',
  ],
  [
    'entity world',
    cilium(`${A}egress: [{toEntities: [world]}]`),
    { from: 'x/a', to: '203.0.113.9' },
    'ALLOWED egress rule namespace p spec.egress[0]',
  ],
  [
    'entity world-ipv4 is not IPv6',
    cilium(`${A}egress: [{toEntities: [world-ipv4]}]`),
    { from: 'x/a', to: '2001:db8::1', family: 6 },
    'DENIED egress isolated namespace p',
  ],
  [
    'entity world-ipv6',
    cilium(`${A}egress: [{toEntities: [world-ipv6]}]`),
    { from: 'x/a', to: '2001:db8::1', family: 6 },
    'ALLOWED egress rule namespace p spec.egress[0]',
  ],
  [
    'entity host',
    cilium(`${A}egress: [{toEntities: [host]}]`),
    { from: 'x/a', to: 'node-a' },
    'ALLOWED egress rule namespace p spec.egress[0]',
  ],
  [
    'another node is not the host',
    cilium(`${A}egress: [{toEntities: [host]}]`),
    { from: 'x/a', to: 'node-b' },
    'DENIED egress isolated namespace p',
  ],
  [
    'entity remote-node',
    cilium(`${A}egress: [{toEntities: [remote-node]}]`),
    { from: 'x/a', to: 'node-b' },
    'ALLOWED egress rule namespace p spec.egress[0]',
  ],
  [
    'the own node is let in',
    cilium(`${A}ingress: [{}]`),
    { from: 'node-a', to: 'x/a' },
    'ALLOWED ingress own_node namespace',
  ],
  [
    'unless it is denied in words',
    HOST_DENIED,
    { from: 'node-a', to: 'x/a' },
    'DENIED ingress rule namespace p spec.ingressDeny[0]',
  ],
  [
    'the second entry of toPorts is told',
    cilium(`${A}ingress: [{toPorts: [{ports: [{port: "1"}]}, {ports: [{port: "80"}]}]}]`),
    { from: 'z/a', to: 'x/a' },
    'ALLOWED ingress rule namespace p spec.ingress[0].toPorts[1]',
  ],
  [
    'a rule with ports is not about ICMP',
    cilium(`${A}ingress: [{toPorts: [{ports: [{port: "0"}]}]}]`),
    { from: 'z/a', to: 'x/a', port: '0/1' },
    'DENIED ingress isolated namespace p',
  ],
];

describe('CiliumNetworkPolicy, cases', () => {
  for (const [title, policies, row, expected] of ROWS)
    it(title, () => assert.equal(judged(model(policies), row), expected));
});

describe('CiliumNetworkPolicy, HTTP rules', () => {
  const GET =
    '{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET, path: /public/.*, headers: ["X-Token", "X-Team: a b"]}]}}';
  const POST =
    '{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: POST, host: shop, headerMatches: [{name: x-a, value: b}]}, {}]}}';
  const B = 'fromEndpoints: [{matchLabels: {pod: b}}]';
  const httpOf = (policies: string, row: Row) => {
    const { verdict: word, ingress } = verdict(model(policies), connection(row));
    return { word, http: ingress.http.map(({ rule }) => [rule.path, rule.http]) };
  };
  const get = {
    method: 'GET',
    path: '/public/.*',
    host: undefined,
    headers: [
      { name: 'X-Token', value: undefined },
      { name: 'X-Team', value: 'a b' },
    ],
  };

  it('the connection is allowed, its requests are still to be judged', () => {
    const told = httpOf(cilium(`${A}ingress: [{${B}, toPorts: [${GET}]}]`), { from: 'x/b', to: 'x/a' });
    assert.deepEqual(told, { word: 'ALLOWED', http: [['spec.ingress[0].toPorts[0]', [get]]] });
  });

  it('rules of several policies add up', () => {
    const two =
      cilium(`${A}ingress: [{${B}, toPorts: [${GET}, ${POST}]}]`) + cilium(`${A}ingress: [{toPorts: [${GET}]}]`, 'q');
    const { http } = httpOf(two, { from: 'x/b', to: 'x/a' });
    assert.deepEqual(
      http.map(([path]) => path),
      ['spec.ingress[0].toPorts[0]', 'spec.ingress[0].toPorts[1]', 'spec.ingress[0].toPorts[0]'],
    );
    const empty = { method: undefined, path: undefined, host: undefined, headers: [] };
    assert.deepEqual(http[1]?.[1], [
      { ...empty, method: 'POST', host: 'shop', headers: [{ name: 'x-a', value: 'b' }] },
      empty,
    ]);
  });

  it('a rule that allows the port as a whole leaves nothing to judge', () => {
    const two = cilium(`${A}ingress: [{${B}, toPorts: [${GET}]}, {${B}}]`);
    assert.deepEqual(httpOf(two, { from: 'x/b', to: 'x/a' }), { word: 'ALLOWED', http: [] });
  });

  it('they hold where default deny is off', () => {
    const open = cilium(`${A}enableDefaultDeny: {ingress: false}\ningress: [{toPorts: [${GET}]}]`);
    assert.equal(httpOf(open, { from: 'y/b', to: 'x/a' }).http.length, 1);
    assert.deepEqual(httpOf(open, { from: 'y/b', to: 'x/a', port: '81' }), { word: 'NO_POLICY', http: [] });
  });

  it("requests from the pod's own node are not judged", () => {
    const told = httpOf(cilium(`${A}ingress: [{fromEntities: [all], toPorts: [${GET}]}]`), {
      from: 'node-a',
      to: 'x/a',
    });
    assert.deepEqual(told, { word: 'ALLOWED', http: [] });
  });

  it('a denied connection has none', () => {
    const denied = cilium(`${A}ingress: [{toPorts: [${GET}]}]\ningressDeny: [{${B}}]`);
    assert.deepEqual(httpOf(denied, { from: 'x/b', to: 'x/a' }), { word: 'DENIED', http: [] });
  });
});

describe('CiliumNetworkPolicy, several in one manifest', () => {
  it('each of the specs counts and is told', () => {
    const specs = `---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: x}
spec: {endpointSelector: {matchLabels: {pod: b}}, ingress: [{fromEntities: [all]}]}
specs:
- {endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]}
- {endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{matchLabels: {pod: c}}]}]}
`;
    const of = model(specs);
    assert.equal(reaching(of, 'x/a'), 'x/a x/b x/c');
    assert.equal(judged(of, { from: 'x/c', to: 'x/a' }), 'ALLOWED ingress rule namespace p specs[1].ingress[0]');
    assert.equal(reaching(of, 'x/b'), ALL);
  });
});
