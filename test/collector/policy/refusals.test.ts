/** What a policy's readers refuse, whole and with a reason. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Condition } from '../../../collector/src/control/policy/condition.ts';
import { readPolicy } from '../../../collector/src/control/policy/read_policy.ts';
import { HEADS } from './support/manifests.ts';

const FROM = (peer: string) => `spec: {podSelector: {}, ingress: [{from: [${peer}]}]}`;
const PORT = (port: string) => `spec: {podSelector: {}, ingress: [{ports: [${port}]}]}`;
const RULE = (rule: string) => `spec: {endpointSelector: {}, ingress: [${rule}]}`;
const OUT = (rule: string) => `spec: {endpointSelector: {}, egress: [${rule}]}`;
const TO_PORTS = (entry: string) => RULE(`{toPorts: [${entry}]}`);
const HTTP = (rule: string) => TO_PORTS(`{ports: [{port: "80", protocol: TCP}], rules: {http: [${rule}]}}`);
const CNP = (rules: string) => `spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ${rules}}`;
const ACCEPT = (rest: string) => CNP(`egress: [{action: Accept, ${rest}}]`);

/** Kind, manifest behind its head, reason, and the path that the message begins with. */
const REFUSED: readonly (readonly [keyof typeof HEADS, string, string, string])[] = [
  ['np', '', 'MissingField', 'spec'],
  ['np', 'spec: []', 'BadValue', 'spec'],
  ['np', 'spec: {podSelector: {}, ingres: []}', 'UnknownField', 'spec'],
  ['np', 'more: 1\nspec: {}', 'UnknownField', 'it has a field "more"'],
  ['np', 'spec: {podSelector: {matchLabel: {a: b}}}', 'UnknownField', 'spec.podSelector'],
  ['np', 'spec: {podSelector: {matchLabels: {a: 1}}}', 'BadValue', 'spec.podSelector.matchLabels.a'],
  ['np', 'spec: {podSelector: {matchLabels: {a/b/c: x}}}', 'BadSelector', 'spec.podSelector.matchLabels'],
  ['np', 'spec: {podSelector: {matchLabels: {a: "x y"}}}', 'BadSelector', 'spec.podSelector.matchLabels.a'],
  [
    'np',
    'spec: {podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}',
    'BadValue',
    'spec.podSelector.matchExpressions[0].operator',
  ],
  [
    'np',
    'spec: {podSelector: {matchExpressions: [{key: a, operator: In}]}}',
    'BadSelector',
    'spec.podSelector.matchExpressions[0]',
  ],
  [
    'np',
    'spec: {podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}',
    'BadSelector',
    'spec.podSelector.matchExpressions[0]',
  ],
  ['np', 'spec: {podSelector: {}, policyTypes: [Ingres]}', 'BadValue', 'spec.policyTypes[0]'],
  ['np', 'spec: {podSelector: {}, ingress: [{to: []}]}', 'UnknownField', 'spec.ingress[0]'],
  ['np', FROM('{}'), 'BadPeer', 'spec.ingress[0].from[0]'],
  ['np', FROM('{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}'), 'BadPeer', 'spec.ingress[0].from[0]'],
  ['np', FROM('{ipBlock: {}}'), 'MissingField', 'spec.ingress[0].from[0].ipBlock.cidr'],
  ['np', FROM('{ipBlock: {cidr: 10.0.0.0}}'), 'BadNetwork', 'spec.ingress[0].from[0].ipBlock.cidr'],
  ['np', FROM('{ipBlock: {cidr: 10.0.0.0/33}}'), 'BadNetwork', 'spec.ingress[0].from[0].ipBlock.cidr'],
  ['np', FROM('{ipBlock: {cidr: 010.0.0.0/8}}'), 'BadNetwork', 'spec.ingress[0].from[0].ipBlock.cidr'],
  ['np', FROM('{ipBlock: {cidr: "::ffff:10.0.0.0/104"}}'), 'BadNetwork', 'spec.ingress[0].from[0].ipBlock.cidr'],
  [
    'np',
    FROM('{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}'),
    'BadNetwork',
    'spec.ingress[0].from[0].ipBlock.except[0]',
  ],
  [
    'np',
    FROM('{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.0.0/8]}}'),
    'BadNetwork',
    'spec.ingress[0].from[0].ipBlock.except[0]',
  ],
  ['np', PORT('{port: 0}'), 'BadValue', 'spec.ingress[0].ports[0].port'],
  ['np', PORT('{port: 65536}'), 'BadValue', 'spec.ingress[0].ports[0].port'],
  ['np', PORT('{port: 80.5}'), 'BadValue', 'spec.ingress[0].ports[0].port'],
  ['np', PORT('{port: "80"}'), 'BadValue', 'spec.ingress[0].ports[0].port'],
  ['np', PORT('{port: Http}'), 'BadValue', 'spec.ingress[0].ports[0].port'],
  ['np', PORT('{port: 80, endPort: 79}'), 'BadValue', 'spec.ingress[0].ports[0].endPort'],
  ['np', PORT('{port: http, endPort: 80}'), 'BadPort', 'spec.ingress[0].ports[0].endPort'],
  ['np', PORT('{endPort: 80}'), 'BadPort', 'spec.ingress[0].ports[0].endPort'],
  ['np', PORT('{protocol: ICMP}'), 'BadValue', 'spec.ingress[0].ports[0].protocol'],
  ['np', PORT('{protocol: tcp}'), 'BadValue', 'spec.ingress[0].ports[0].protocol'],
  [
    'np',
    PORT(Array.from({ length: 101 }, (_, index) => `{port: ${index + 1}}`).join(', ')),
    'TooMany',
    'spec.ingress[0].ports',
  ],

  ['cilium', '', 'MissingField', 'spec'],
  ['cilium', 'spec: {ingress: [{}]}', 'MissingField', 'spec.endpointSelector'],
  ['cilium', 'spec: {nodeSelector: {}, ingress: [{}]}', 'HostPolicyUnsupported', 'spec.nodeSelector'],
  ['wide', 'spec: {nodeSelector: {}, ingress: [{}]}', 'HostPolicyUnsupported', 'spec.nodeSelector'],
  ['wide', 'specs: [{endpointSelector: {}}, {}]', 'MissingField', 'specs[1].endpointSelector'],
  [
    'cilium',
    'spec: {endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: y}}}',
    'OtherNamespace',
    'spec.endpointSelector',
  ],
  [
    'cilium',
    'spec: {endpointSelector: {matchLabels: {reserved:host: ""}}}',
    'LabelSourceUnsupported',
    'spec.endpointSelector.matchLabels',
  ],
  [
    'cilium',
    'spec: {endpointSelector: {matchLabels: {io.cilium.k8s.policy.cluster: c}}}',
    'LabelUnsupported',
    'spec.endpointSelector.matchLabels',
  ],
  [
    'cilium',
    'spec: {endpointSelector: {}, enableDefaultDeny: {ingress: "no"}}',
    'BadValue',
    'spec.enableDefaultDeny.ingress',
  ],
  ['cilium', 'spec: {endpointSelector: {}, ingressDeny: [{}]}', 'EmptyDenyRule', 'spec.ingressDeny[0]'],
  [
    'cilium',
    'spec: {endpointSelector: {}, ingressDeny: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{}]}}]}]}',
    'DenyWithHttp',
    'spec.ingressDeny[0].toPorts[0].rules',
  ],
  ['cilium', RULE('{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}'), 'BadPeer', 'spec.ingress[0]'],
  ['cilium', RULE('{fromRequires: [{}]}'), 'PeerUnsupported', 'spec.ingress[0].fromRequires'],
  ['cilium', RULE('{fromNodes: [{}]}'), 'PeerUnsupported', 'spec.ingress[0].fromNodes'],
  ['cilium', RULE('{fromEntities: [kube-apiserver]}'), 'EntityUnsupported', 'spec.ingress[0].fromEntities[0]'],
  ['cilium', RULE('{fromEntities: [constructor]}'), 'EntityUnsupported', 'spec.ingress[0].fromEntities[0]'],
  ['cilium', RULE('{fromCIDR: [10.0.0.256]}'), 'BadNetwork', 'spec.ingress[0].fromCIDR[0]'],
  [
    'cilium',
    RULE('{fromCIDRSet: [{cidrGroupRef: g}]}'),
    'CidrGroupUnsupported',
    'spec.ingress[0].fromCIDRSet[0].cidrGroupRef',
  ],
  ['cilium', RULE('{icmps: [{fields: [{type: 8}]}]}'), 'IcmpUnsupported', 'spec.ingress[0].icmps'],
  ['cilium', RULE('{authentication: {mode: required}}'), 'AuthenticationUnsupported', 'spec.ingress[0].authentication'],
  ['cilium', OUT('{toFQDNs: [{matchName: a.b}]}'), 'PeerUnsupported', 'spec.egress[0].toFQDNs'],
  ['cilium', OUT('{toServices: [{}]}'), 'PeerUnsupported', 'spec.egress[0].toServices'],
  ['cilium', TO_PORTS('{}'), 'MissingField', 'spec.ingress[0].toPorts[0].ports'],
  ['cilium', TO_PORTS('{ports: [{port: 80}]}'), 'BadValue', 'spec.ingress[0].toPorts[0].ports[0].port'],
  ['cilium', TO_PORTS('{ports: [{port: "70000"}]}'), 'BadPort', 'spec.ingress[0].toPorts[0].ports[0].port'],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "80", endPort: 79}]}'),
    'BadPort',
    'spec.ingress[0].toPorts[0].ports[0].endPort',
  ],
  ['cilium', TO_PORTS('{ports: [{port: "0", endPort: 79}]}'), 'BadPort', 'spec.ingress[0].toPorts[0].ports[0].endPort'],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "80", protocol: ICMP}]}'),
    'ProtocolUnsupported',
    'spec.ingress[0].toPorts[0].ports[0].protocol',
  ],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "443"}], terminatingTLS: {}}'),
    'TlsUnsupported',
    'spec.ingress[0].toPorts[0].terminatingTLS',
  ],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "443"}], listener: {}}'),
    'TlsUnsupported',
    'spec.ingress[0].toPorts[0].listener',
  ],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}'),
    'ProtocolUnsupported',
    'spec.ingress[0].toPorts[0].rules.dns',
  ],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "80"}], rules: {http: [{}]}}'),
    'BadPort',
    'spec.ingress[0].toPorts[0].ports[0]',
  ],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "0", protocol: TCP}], rules: {http: [{}]}}'),
    'BadPort',
    'spec.ingress[0].toPorts[0].ports[0]',
  ],
  [
    'cilium',
    TO_PORTS('{ports: [{port: "80", protocol: TCP}], rules: {http: []}}'),
    'EmptyHttpRules',
    'spec.ingress[0].toPorts[0].rules.http',
  ],
  ['cilium', HTTP('{methods: GET}'), 'UnknownField', 'spec.ingress[0].toPorts[0].rules.http[0]'],
  ['cilium', HTTP('{headers: ["a(b)"]}'), 'BadHeader', 'spec.ingress[0].toPorts[0].rules.http[0].headers[0]'],
  [
    'cilium',
    HTTP('{headerMatches: [{name: a, mismatch: ADD}]}'),
    'HeaderMismatchUnsupported',
    'spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].mismatch',
  ],
  [
    'cilium',
    HTTP('{headerMatches: [{name: a, secret: {name: s}}]}'),
    'HeaderSecretUnsupported',
    'spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].secret',
  ],
  ['cilium', HTTP('{path: "/a("}'), 'PatternInvalid', 'spec.ingress[0].toPorts[0].rules.http[0].path'],
  ['cilium', HTTP('{}, {host: "(?=a)b"}'), 'PatternUnsupported', 'spec.ingress[0].toPorts[0].rules.http[1].host'],
  ['cilium', HTTP('{path: "/.*a.{16}"}'), 'PatternTooLarge', 'spec.ingress[0].toPorts[0].rules.http[0].path'],
  ['cilium', HTTP('{headers: [X_Team]}'), 'HeaderNameInvalid', 'spec.ingress[0].toPorts[0].rules.http[0].headers[0]'],
  [
    'cilium',
    HTTP(Array.from({ length: 9 }, (_, index) => `{path: "/${index}(a|bc){1000}"}`).join(', ')),
    'RulesTooLarge',
    'spec.ingress[0].toPorts[0].rules.http[8].path',
  ],
  [
    'cilium',
    OUT('{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{}]}}]}'),
    'HttpEgressUnsupported',
    'spec.egress[0].toPorts[0].rules.http',
  ],

  ['cnp', '', 'MissingField', 'spec'],
  ['cnp', 'spec: {priority: 1, subject: {namespaces: {}}}', 'MissingField', 'spec.tier'],
  ['cnp', 'spec: {tier: admin, priority: 1, subject: {namespaces: {}}}', 'BadValue', 'spec.tier'],
  ['cnp', 'spec: {tier: Admin, subject: {namespaces: {}}}', 'MissingField', 'spec.priority'],
  ['cnp', 'spec: {tier: Admin, priority: 1001, subject: {namespaces: {}}}', 'BadValue', 'spec.priority'],
  ['cnp', 'spec: {tier: Admin, priority: 1}', 'BadValue', 'spec.subject'],
  ['cnp', 'spec: {tier: Admin, priority: 1, subject: {namespaces: {}, pods: {}}}', 'BadValue', 'spec.subject'],
  ['cnp', ACCEPT('to: [{pods: {namespaceSelector: {}}}]'), 'MissingField', 'spec.egress[0].to[0].pods.podSelector'],
  ['cnp', ACCEPT('to: []'), 'MissingField', 'spec.egress[0].to'],
  ['cnp', ACCEPT('to: [{}]'), 'BadValue', 'spec.egress[0].to[0]'],
  ['cnp', ACCEPT('to: [{future: {}}]'), 'UnknownField', 'spec.egress[0].to[0]'],
  ['cnp', ACCEPT('to: [{domainNames: [a.b]}]'), 'DomainNamesUnsupported', 'spec.egress[0].to[0].domainNames'],
  ['cnp', ACCEPT('to: [{networks: []}]'), 'MissingField', 'spec.egress[0].to[0].networks'],
  ['cnp', ACCEPT('to: [{nodes: {}}], protocols: [{destinationNamedPort: http}]'), 'BadPort', 'spec.egress[0]'],
  ['cnp', ACCEPT('to: [{namespaces: {}}], protocols: []'), 'MissingField', 'spec.egress[0].protocols'],
  ['cnp', ACCEPT('to: [{namespaces: {}}], protocols: [{tcp: {}}]'), 'MissingField', 'spec.egress[0].protocols[0].tcp'],
  [
    'cnp',
    ACCEPT('to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 5, end: 5}}}}]'),
    'BadValue',
    'spec.egress[0].protocols[0].tcp.destinationPort.range.end',
  ],
  ['cnp', CNP('ingress: [{action: Allow, from: [{namespaces: {}}]}]'), 'BadValue', 'spec.ingress[0].action'],
  ['cnp', CNP('ingress: [{action: Deny, from: [{nodes: {}}]}]'), 'UnknownField', 'spec.ingress[0].from[0]'],
  [
    'cnp',
    CNP(`ingress: [${Array.from({ length: 26 }, () => '{action: Deny, from: [{namespaces: {}}]}').join(', ')}]`),
    'TooMany',
    'spec.ingress',
  ],
];

describe('policies that are refused', () => {
  for (const [kind, rest, reason, path] of REFUSED)
    it(`${kind}: ${rest.slice(0, 100)}`, () => {
      const { condition, policies } = readPolicy(parse(HEADS[kind] + rest));
      assert.equal(condition.accepted, false);
      assert.equal(condition.reason, reason, condition.message);
      assert.equal(condition.name, 'p');
      assert.ok(condition.message.startsWith(path), condition.message);
      assert.match(condition.message, /: [^:]+: [^:]+|: /, 'a cause and a next step');
      assert.equal(policies.length, 0, 'nothing of it is kept');
    });

  it('a path pattern that matches no path is taken, and said to allow nothing', () => {
    const { condition, policies } = readPolicy(parse(HEADS.cilium + HTTP('{path: /a}, {path: "index.*|[^/]+"}')));
    assert.deepEqual([condition.accepted, condition.reason, policies.length], [true, 'PathNeverMatches', 1]);
    assert.match(condition.message, /^spec\.ingress\[0\]\.toPorts\[0\]\.rules\.http\[1\]\.path: .*: begin it with/);
    const fine = readPolicy(parse(HEADS.cilium + HTTP('{path: ".*index"}, {path: "[^a]b"}, {path: ""}')));
    assert.equal(fine.condition.reason, 'Accepted');
  });

  const HEAD_ROWS: readonly (readonly [unknown, string])[] = [
    [undefined, 'MissingField'],
    [null, 'MissingField'],
    ['kind: NetworkPolicy', 'BadValue'],
    [[], 'BadValue'],
    [{}, 'MissingField'],
    [{ kind: 'Pod', metadata: { name: 'p' } }, 'UnknownKind'],
    [{ kind: 'toString', metadata: { name: 'p' } }, 'UnknownKind'],
    [{ kind: 'NetworkPolicy', metadata: { name: 'p' }, spec: {} }, 'MissingField'],
    [{ kind: 'NetworkPolicy', apiVersion: 'extensions/v1beta1', metadata: { name: 'p' }, spec: {} }, 'BadValue'],
    [{ kind: 'NetworkPolicy', apiVersion: 'networking.k8s.io/v1', metadata: {}, spec: {} }, 'MissingField'],
    [{ kind: 'NetworkPolicy', apiVersion: 'networking.k8s.io/v1', metadata: { name: 'A b' }, spec: {} }, 'BadValue'],
    [parse(`${HEADS.cnp.replace('{name: p}', '{name: p, namespace: x}')}${CNP('ingress: []')}`), 'BadValue'],
    [{ __proto__: { kind: 'NetworkPolicy' }, metadata: { name: 'p' } }, 'MissingField'],
  ];
  for (const [object, reason] of HEAD_ROWS)
    it(`head: ${JSON.stringify(object)}`, () => assert.equal(readPolicy(object).condition.reason, reason));
});

describe('policies that are accepted', () => {
  it('without a namespace it is the default one, null is as if not there, status does not count', () => {
    const { condition, policies } = readPolicy(
      parse(`${HEADS.np.replace(', namespace: x', '')}status: {any: thing}\nspec: {podSelector: null, ingress: null}`),
    );
    const expected: Condition = {
      kind: 'NetworkPolicy',
      namespace: 'default',
      name: 'p',
      accepted: true,
      reason: 'Accepted',
      message: '',
    };
    assert.deepEqual(condition, expected);
    assert.deepEqual(policies[0]?.isolates, { ingress: true, egress: false });
  });
});
