/** NetworkPolicy v1 by the words of its API reference and by the scenarios of its conformance tests. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { A, DENY_IN, DENY_OUT, networkPolicy as policy } from './support/manifests.ts';
import { isAllowed, judged, model, PODS, podOf, reached, reaching } from './support/world.ts';

const ALL = [...PODS.keys()].join(' ');

/** Who reaches x/a at a port, and whom x/a reaches. Itself always: a pod cannot block access to itself. */
interface Scenario {
  readonly title: string;
  readonly policies: readonly string[];
  readonly port?: string;
  readonly into?: string;
  readonly outOf?: string;
}

const SCENARIOS: readonly Scenario[] = [
  { title: 'without a policy all is allowed', policies: [], into: ALL, outOf: ALL },
  {
    title: 'default deny of ingress isolates for ingress only',
    policies: [DENY_IN],
    into: 'x/a',
    outOf: 'x/a y/a y/b y/c z/a z/b z/c',
  },
  {
    title: 'default deny of egress isolates for egress only',
    policies: [DENY_OUT],
    into: 'x/a y/a y/b y/c z/a z/b z/c',
    outOf: 'x/a',
  },
  { title: 'without policyTypes it is Ingress', policies: [policy(A)], into: 'x/a', outOf: ALL },
  {
    title: 'without policyTypes egress rules make it Egress, too',
    policies: [policy(`${A}egress: [{}]`)],
    into: 'x/a',
    outOf: ALL,
  },
  {
    title: 'an empty egress section does not make it Egress',
    policies: [policy(`${A}egress: []`)],
    into: 'x/a',
    outOf: ALL,
  },
  {
    title: 'rules of a type that is not told do not count',
    policies: [policy(`${A}policyTypes: [Egress]\ningress: []`)],
    into: ALL,
    outOf: 'x/a',
  },
  { title: 'an empty ingress rule allows all', policies: [DENY_IN, policy(`${A}ingress: [{}]`)], into: ALL },
  {
    title: 'a podSelector is of the own namespace',
    policies: [policy(`${A}ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]`)],
    into: 'x/a x/b',
  },
  {
    title: 'an empty podSelector is the whole namespace',
    policies: [policy(`${A}ingress: [{from: [{podSelector: {}}]}]`)],
    into: 'x/a x/b x/c',
  },
  {
    title: 'an empty namespaceSelector is all namespaces',
    policies: [policy(`${A}ingress: [{from: [{namespaceSelector: {}}]}]`)],
    into: ALL,
  },
  {
    title: 'a namespaceSelector by label',
    policies: [policy(`${A}ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]`)],
    into: 'x/a y/a y/b y/c',
  },
  {
    title: "a namespace's name is its label",
    policies: [policy(`${A}ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]}]`)],
    into: 'x/a z/a z/b z/c',
  },
  {
    title: 'both selectors in one peer are both to be met',
    policies: [
      policy(
        `${A}ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]`,
      ),
    ],
    into: 'x/a y/b',
  },
  {
    title: 'in two peers either is',
    policies: [
      policy(
        `${A}ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}]}]`,
      ),
    ],
    into: 'x/a x/b y/a y/b y/c',
  },
  {
    title: 'matchExpressions In, NotIn, Exists, DoesNotExist',
    policies: [
      policy(`${A}ingress:
- from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x, z]}]}, podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]
- from: [{podSelector: {matchExpressions: [{key: pod, operator: Exists}, {key: other, operator: DoesNotExist}, {key: pod, operator: NotIn, values: [c]}]}}]`),
    ],
    into: 'x/a x/b y/b y/c',
  },
  {
    title: 'policies add up',
    policies: [
      DENY_IN,
      policy(`${A}ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]`),
      policy(`${A}ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]`, 'q'),
    ],
    into: 'x/a x/b x/c',
  },
  {
    title: 'a port that is named by number',
    policies: [policy(`${A}ingress: [{ports: [{port: 81}]}]`)],
    port: '81',
    into: ALL,
  },
  { title: 'another port is not', policies: [policy(`${A}ingress: [{ports: [{port: 81}]}]`)], port: '80', into: 'x/a' },
  {
    title: 'the protocol is TCP unless told',
    policies: [policy(`${A}ingress: [{ports: [{port: 80}]}]`)],
    port: '80/UDP',
    into: 'x/a',
  },
  {
    title: 'a protocol that is told',
    policies: [policy(`${A}ingress: [{ports: [{port: 80, protocol: UDP}]}]`)],
    port: '80/UDP',
    into: ALL,
  },
  {
    title: 'SCTP is not TCP',
    policies: [policy(`${A}ingress: [{ports: [{port: 80, protocol: SCTP}]}]`)],
    port: '80/SCTP',
    into: ALL,
  },
  {
    title: 'a protocol without a port is all its ports',
    policies: [policy(`${A}ingress: [{ports: [{protocol: UDP}]}]`)],
    port: '65535/UDP',
    into: ALL,
  },
  {
    title: 'ports are ORed',
    policies: [policy(`${A}ingress: [{ports: [{port: 80}, {port: 81}]}]`)],
    port: '80',
    into: ALL,
  },
  {
    title: 'from and ports are both to be met',
    policies: [policy(`${A}ingress: [{ports: [{port: 80}], from: [{podSelector: {matchLabels: {pod: b}}}]}]`)],
    port: '80',
    into: 'x/a x/b',
  },
  {
    title: 'a rule without ports is also about ICMP',
    policies: [policy(`${A}ingress: [{from: [{podSelector: {}}]}]`)],
    port: '0/1',
    into: 'x/a x/b x/c',
  },
  {
    title: 'a rule with ports is not',
    policies: [policy(`${A}ingress: [{ports: [{protocol: TCP}]}]`)],
    port: '0/1',
    into: 'x/a',
  },
  {
    title: 'endPort: the first',
    policies: [policy(`${A}ingress: [{ports: [{port: 80, endPort: 85}]}]`)],
    port: '80',
    into: ALL,
  },
  {
    title: 'endPort: the last',
    policies: [policy(`${A}ingress: [{ports: [{port: 80, endPort: 85}]}]`)],
    port: '85',
    into: ALL,
  },
  {
    title: 'endPort: before it',
    policies: [policy(`${A}ingress: [{ports: [{port: 80, endPort: 85}]}]`)],
    port: '79',
    into: 'x/a',
  },
  {
    title: 'endPort: behind it',
    policies: [policy(`${A}ingress: [{ports: [{port: 80, endPort: 85}]}]`)],
    port: '86',
    into: 'x/a',
  },
  {
    title: 'a named port of the pod itself',
    policies: [policy(`${A}ingress: [{ports: [{port: serve-81-tcp}]}]`)],
    port: '81',
    into: ALL,
  },
  {
    title: 'a named port has a protocol',
    policies: [policy(`${A}ingress: [{ports: [{port: serve-80-udp}]}]`)],
    port: '80/UDP',
    into: 'x/a',
  },
  {
    title: 'a name that the pod does not have is no port',
    policies: [policy(`${A}ingress: [{ports: [{port: other}]}]`)],
    port: '80',
    into: 'x/a',
  },
  {
    title: 'egress by pods',
    policies: [policy(`${A}policyTypes: [Egress]\negress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]`)],
    outOf: 'x/a x/b',
  },
  {
    title: 'egress by namespace and pod',
    policies: [
      policy(
        `${A}policyTypes: [Egress]\negress: [{to: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: a}}}]}]`,
      ),
    ],
    outOf: 'x/a y/a',
  },
  {
    title: 'egress by named port of the destination',
    policies: [policy(`${A}policyTypes: [Egress]\negress: [{ports: [{port: serve-81-tcp}]}]`)],
    port: '81',
    outOf: ALL,
  },
  {
    title: 'ipBlock is about pods by their addresses, too',
    policies: [
      policy(`${A}policyTypes: [Egress]\negress: [{to: [{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}}]}]`),
    ],
    outOf: 'x/a y/a y/c',
  },
  {
    title: 'another policy allows what except leaves out',
    policies: [
      policy(
        `${A}policyTypes: [Egress]\negress: [{to: [{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}}, {ipBlock: {cidr: 10.0.2.2/31}}]}]`,
      ),
    ],
    outOf: 'x/a y/a y/b y/c',
  },
  {
    title: "both must allow: the source's egress",
    policies: [policy(`${A}policyTypes: [Egress]`), policy('podSelector: {}\ningress: [{}]', 'q', 'y')],
    outOf: 'x/a',
  },
  {
    title: "both must allow: the destination's ingress",
    policies: [policy(`${A}policyTypes: [Egress]\negress: [{}]`), policy('podSelector: {}', 'q', 'y')],
    outOf: 'x/a x/b x/c z/a z/b z/c',
  },
];

describe('NetworkPolicy v1, scenarios', () => {
  for (const { title, policies, port, into, outOf } of SCENARIOS)
    it(title, () => {
      const of = model(policies.join('---\n'));
      if (into !== undefined) assert.equal(reaching(of, 'x/a', port), into);
      if (outOf !== undefined) assert.equal(reached(of, 'x/a', port), outOf);
    });
});

describe('NetworkPolicy v1, pods that change', () => {
  const onlyB = model(
    policy(`${A}ingress: [{ports: [{port: serve}], from: [{podSelector: {matchLabels: {pod: b}}}]}]`),
  );

  it('a pod that gets the label is allowed, one that loses it is not', () => {
    const relabelled = new Map([...PODS, ['x/c', podOf('x/c', { labels: new Map([['pod', 'b']]) })]]);
    assert.equal(reaching(onlyB, 'x/a', '8080'), 'x/a x/b');
    assert.equal(reaching(onlyB, 'x/a', '8080', relabelled), 'x/a x/b x/c');
  });

  it('a name is the number that each destination gives it', () => {
    const egress = model(policy(`${A}policyTypes: [Egress]\negress: [{ports: [{port: serve}]}]`));
    const moved = new Map([...PODS, ['y/a', podOf('y/a', { ports: [{ name: 'serve', protocol: 6, port: 9090 }] })]]);
    assert.equal(isAllowed(egress, { from: 'x/a', to: 'y/a', port: '9090' }, moved), true);
    assert.equal(isAllowed(egress, { from: 'x/a', to: 'y/a', port: '8080' }, moved), false);
    assert.equal(isAllowed(egress, { from: 'x/a', to: 'y/b', port: '8080' }, moved), true);
  });

  it("a pod with its node's network is not judged, and as the other end it is its node", () => {
    const host = new Map([
      ...PODS,
      ['x/c', podOf('x/c', { hostNetwork: true })],
      ['x/d', podOf('x/a', { hostNetwork: true })],
    ]);
    const denied = model(policy(`podSelector: {}\ningress: [{from: [{podSelector: {}}]}]`));
    assert.equal(judged(denied, { from: 'y/a', to: 'x/c' }, host), 'NO_POLICY egress no_policy');
    assert.equal(judged(denied, { from: '10.9.9.9', to: 'x/c' }, host), 'NO_POLICY egress not_a_pod');
    assert.equal(judged(denied, { from: 'x/c', to: 'x/b' }, host), 'DENIED ingress isolated namespace p');
    assert.equal(judged(denied, { from: 'x/d', to: 'y/c' }, host), 'NO_POLICY egress host_network');
  });
});

describe('NetworkPolicy v1, modes', () => {
  it('audit tells what it would deny, observe judges nothing, by namespace of the pod that is judged', () => {
    const both =
      DENY_IN +
      '---\n' +
      policy('podSelector: {}', 'deny-in', 'y') +
      '---\n' +
      policy('podSelector: {}', 'deny-in', 'z');
    const of = model(
      both,
      'enforce',
      new Map([
        ['y', 'audit'],
        ['z', 'observe'],
      ]),
    );
    assert.equal(judged(of, { from: 'z/b', to: 'x/a' }), 'DENIED ingress isolated namespace deny-in');
    assert.equal(judged(of, { from: 'z/b', to: 'y/a' }), 'AUDITED ingress isolated namespace deny-in');
    assert.equal(judged(of, { from: 'x/b', to: 'z/a' }), 'NO_POLICY egress no_policy');
  });
});
