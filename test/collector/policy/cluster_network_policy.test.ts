/** ClusterNetworkPolicy v1alpha2 by the words of its API reference, alone and with the other kinds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judged, model, type Row, reached, reaching } from './support/world.ts';

interface Cluster {
  readonly tier?: 'Admin' | 'Baseline';
  readonly priority?: number;
  readonly name?: string;
}

function cluster(rules: string, { tier = 'Admin', priority = 10, name = 'c' }: Cluster = {}): string {
  const head = '---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n';
  return `${head}metadata: {name: ${name}}\nspec:\n  tier: ${tier}\n  priority: ${priority}\n  ${rules}\n`;
}

function network(rules: string, name = 'n'): string {
  return `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: {podSelector: {}, ${rules}}\n`;
}

const SUBJECT = 'subject: {pods: {namespaceSelector: {matchLabels: {ns: x}}, podSelector: {matchLabels: {pod: a}}}}';
const FROM_Y = 'from: [{namespaces: {matchLabels: {ns: y}}}]';
const FROM_ALL = 'from: [{namespaces: {}}]';
const ingress = (...rules: string[]) => `${SUBJECT}\n  ingress: [${rules.map((rule) => `{${rule}}`).join(', ')}]`;
const egress = (...rules: string[]) => `${SUBJECT}\n  egress: [${rules.map((rule) => `{${rule}}`).join(', ')}]`;
const BASELINE: Cluster = { tier: 'Baseline', name: 'b' };
const DENY_X = network('ingress: []');
const ALLOW_X = network('ingress: [{}]');
const TCP_80 = 'protocols: [{tcp: {destinationPort: {number: 80}}}]';

/** All with a connection into x/a from y/b, at port 80 unless told. */
const INTO: readonly (readonly [title: string, policies: string, expected: string, port?: string])[] = [
  ['Accept', cluster(ingress(`action: Accept, ${FROM_Y}`)), 'ALLOWED ingress rule admin c spec.ingress[0]'],
  ['Deny', cluster(ingress(`action: Deny, ${FROM_Y}`)), 'DENIED ingress rule admin c spec.ingress[0]'],
  [
    'what no rule matches is not decided',
    cluster(ingress('action: Deny, from: [{namespaces: {matchLabels: {ns: z}}}]')),
    'NO_POLICY egress no_policy',
  ],
  [
    'the rule on top wins',
    cluster(ingress(`action: Accept, ${FROM_Y}`, `action: Deny, ${FROM_ALL}`)),
    'ALLOWED ingress rule admin c spec.ingress[0]',
  ],
  [
    'an admin Accept is not overridden by isolation',
    cluster(ingress(`action: Accept, ${FROM_Y}`)) + DENY_X,
    'ALLOWED ingress rule admin c spec.ingress[0]',
  ],
  [
    'an admin Deny is not overridden by a rule that allows',
    cluster(ingress(`action: Deny, ${FROM_Y}`)) + ALLOW_X,
    'DENIED ingress rule admin c spec.ingress[0]',
  ],
  [
    'Pass hands on to the NetworkPolicies',
    cluster(ingress(`action: Pass, ${FROM_Y}`, `action: Accept, ${FROM_ALL}`)) + DENY_X,
    'DENIED ingress isolated namespace n',
  ],
  [
    'Pass skips the whole tier',
    cluster(ingress(`action: Pass, ${FROM_Y}`)) +
      cluster(ingress(`action: Deny, ${FROM_Y}`), { priority: 20, name: 'd' }),
    'NO_POLICY egress no_policy',
  ],
  [
    'Pass without NetworkPolicies hands on to Baseline',
    cluster(ingress(`action: Pass, ${FROM_Y}`)) + cluster(ingress(`action: Deny, ${FROM_Y}`), BASELINE),
    'DENIED ingress rule baseline b spec.ingress[0]',
  ],
  [
    'Baseline is not asked for a pod that a NetworkPolicy selects',
    ALLOW_X + cluster(ingress(`action: Deny, ${FROM_Y}`), BASELINE),
    'ALLOWED ingress rule namespace n spec.ingress[0]',
  ],
  [
    'nor where it denies',
    DENY_X + cluster(ingress(`action: Accept, ${FROM_Y}`), BASELINE),
    'DENIED ingress isolated namespace n',
  ],
  [
    'Baseline Accept',
    cluster(ingress(`action: Accept, ${FROM_Y}`, `action: Deny, ${FROM_ALL}`), BASELINE),
    'ALLOWED ingress rule baseline b spec.ingress[0]',
  ],
  [
    'Baseline Pass leaves it allowed',
    cluster(ingress(`action: Pass, ${FROM_Y}`, `action: Deny, ${FROM_ALL}`), BASELINE),
    'NO_POLICY egress no_policy',
  ],
  [
    'lower priority values are asked first',
    cluster(ingress(`action: Deny, ${FROM_Y}`), { priority: 5, name: 'z' }) +
      cluster(ingress(`action: Accept, ${FROM_Y}`), { priority: 6, name: 'a' }),
    'DENIED ingress rule admin z spec.ingress[0]',
  ],
  [
    'Admin is asked before Baseline whatever the priority',
    cluster(ingress(`action: Deny, ${FROM_Y}`), { priority: 1000 }) +
      cluster(ingress(`action: Accept, ${FROM_Y}`), { ...BASELINE, priority: 0 }),
    'DENIED ingress rule admin c spec.ingress[0]',
  ],
  [
    'same priority: by name, the same everywhere',
    cluster(ingress(`action: Deny, ${FROM_Y}`), { name: 'z' }) +
      cluster(ingress(`action: Accept, ${FROM_Y}`), { name: 'a' }),
    'ALLOWED ingress rule admin a spec.ingress[0]',
  ],
  [
    'a peer by namespaces and pods',
    cluster(
      ingress(
        'action: Deny, from: [{pods: {namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}}]',
      ),
    ),
    'DENIED ingress rule admin c spec.ingress[0]',
  ],
  [
    'both of its selectors count',
    cluster(
      ingress(
        'action: Deny, from: [{pods: {namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: c}}}}]',
      ),
    ),
    'NO_POLICY egress no_policy',
  ],
  [
    'a subject by namespaces',
    cluster(`subject: {namespaces: {matchLabels: {ns: x}}}\n  ingress: [{action: Deny, ${FROM_ALL}}]`),
    'DENIED ingress rule admin c spec.ingress[0]',
  ],
  ['a port', cluster(ingress(`action: Deny, ${FROM_Y}, ${TCP_80}`)), 'DENIED ingress rule admin c spec.ingress[0]'],
  ['another port', cluster(ingress(`action: Deny, ${FROM_Y}, ${TCP_80}`)), 'NO_POLICY egress no_policy', '81'],
  ['another protocol', cluster(ingress(`action: Deny, ${FROM_Y}, ${TCP_80}`)), 'NO_POLICY egress no_policy', '80/UDP'],
  [
    'a range ends with its end',
    cluster(ingress(`action: Deny, ${FROM_Y}, protocols: [{udp: {destinationPort: {range: {start: 70, end: 80}}}}]`)),
    'DENIED ingress rule admin c spec.ingress[0]',
    '80/UDP',
  ],
  [
    'and not behind it',
    cluster(ingress(`action: Deny, ${FROM_Y}, protocols: [{udp: {destinationPort: {range: {start: 70, end: 80}}}}]`)),
    'NO_POLICY egress no_policy',
    '81/UDP',
  ],
  [
    'a named port has the protocol it has',
    cluster(ingress(`action: Deny, ${FROM_Y}, protocols: [{destinationNamedPort: serve-80-udp}]`)),
    'DENIED ingress rule admin c spec.ingress[0]',
    '80/UDP',
  ],
  [
    'and no other',
    cluster(ingress(`action: Deny, ${FROM_Y}, protocols: [{destinationNamedPort: serve-80-udp}]`)),
    'NO_POLICY egress no_policy',
    '80',
  ],
  [
    'without protocols it is all traffic',
    cluster(ingress(`action: Deny, ${FROM_Y}`)),
    'DENIED ingress rule admin c spec.ingress[0]',
    '0/1',
  ],
];

const OUT_OF: readonly (readonly [title: string, policies: string, row: Row, expected: string])[] = [
  [
    'networks',
    cluster(egress('action: Deny, to: [{networks: [203.0.113.0/24]}]')),
    { from: 'x/a', to: '203.0.113.5' },
    'DENIED egress rule admin c spec.egress[0]',
  ],
  [
    'networks hold pods, too',
    cluster(egress('action: Deny, to: [{networks: [0.0.0.0/0]}]')),
    { from: 'x/a', to: 'y/b' },
    'DENIED egress rule admin c spec.egress[0]',
  ],
  [
    'unless a Pass comes first',
    cluster(egress('action: Pass, to: [{namespaces: {}}]', 'action: Deny, to: [{networks: [0.0.0.0/0]}]')),
    { from: 'x/a', to: 'y/b' },
    'NO_POLICY egress no_policy',
  ],
  [
    'nodes by label',
    cluster(egress('action: Deny, to: [{nodes: {matchLabels: {node: b}}}]')),
    { from: 'x/a', to: 'node-b' },
    'DENIED egress rule admin c spec.egress[0]',
  ],
  [
    'other nodes',
    cluster(egress('action: Deny, to: [{nodes: {matchLabels: {node: b}}}]')),
    { from: 'x/a', to: 'node-c' },
    'NO_POLICY egress no_policy',
  ],
  [
    'an empty selector is all nodes, also the own',
    cluster(egress('action: Deny, to: [{nodes: {}}]')),
    { from: 'x/a', to: 'node-a' },
    'DENIED egress rule admin c spec.egress[0]',
  ],
  [
    'and no pods',
    cluster(egress('action: Deny, to: [{nodes: {}}]')),
    { from: 'x/a', to: 'y/a' },
    'NO_POLICY egress no_policy',
  ],
  [
    "Accept of egress leaves the destination's ingress",
    cluster(egress('action: Accept, to: [{namespaces: {}}]')) + DENY_X,
    { from: 'x/a', to: 'x/b' },
    'DENIED ingress isolated namespace n',
  ],
  [
    'the first of several peers is enough',
    cluster(egress('action: Deny, to: [{nodes: {}}, {namespaces: {}}]')),
    { from: 'x/a', to: 'y/a' },
    'DENIED egress rule admin c spec.egress[0]',
  ],
];

describe('ClusterNetworkPolicy v1alpha2', () => {
  for (const [title, policies, expected, port = '80'] of INTO)
    it(title, () => assert.equal(judged(model(policies), { from: 'y/b', to: 'x/a', port }), expected));

  for (const [title, policies, row, expected] of OUT_OF)
    it(`egress: ${title}`, () => assert.equal(judged(model(policies), row), expected));

  it('is about its subject only, and about the direction it has rules for', () => {
    const of = model(cluster(ingress(`action: Deny, ${FROM_ALL}`)));
    assert.equal(reaching(of, 'x/a'), 'x/a');
    assert.equal(reaching(of, 'x/b').split(' ').length, 9);
    assert.equal(reached(of, 'x/a').split(' ').length, 9);
  });

  it('a Deny of Cilium comes in the tier of the namespaces', () => {
    const denied = `---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: d, namespace: x}\nspec: {endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}\n`;
    const row = { from: 'y/b', to: 'x/a' };
    assert.equal(judged(model(denied + ALLOW_X), row), 'DENIED ingress rule namespace d spec.ingressDeny[0]');
    const accepted = cluster(ingress(`action: Accept, ${FROM_Y}`));
    assert.equal(judged(model(denied + accepted), row), 'ALLOWED ingress rule admin c spec.ingress[0]');
  });
});
