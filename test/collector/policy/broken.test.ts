/** Policies that are broken at random: nothing makes the readers fail but by a condition. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { readPolicy } from '../../../collector/src/control/policy/read_policy.ts';
import { HEADS } from './support/manifests.ts';
import { networkPolicy, pick, type Random, randomOf } from './support/random.ts';

/** Values of every type, also of those that JSON cannot have. */
const odd = (): unknown[] => [
  ...[
    undefined,
    null,
    true,
    0,
    -1,
    1.5,
    Number.NaN,
    2 ** 53,
    '',
    'x',
    '\ud800',
    'a'.repeat(5000),
    [],
    {},
    [[]],
    [null],
  ],
  ...[{ __proto__: null }, { constructor: 1 }, { length: -1 }, 10n, Symbol('s'), () => 1, new Date(0), /x/, new Map()],
];

type Place = { readonly holder: object; readonly key: string };

function places(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [{ holder: value, key }, ...places(Reflect.get(value, key))]);
}

function broken(random: Random, object: unknown): unknown {
  const whole = structuredClone(object);
  for (let changes = 1 + random(3); changes > 0; changes -= 1) {
    const { holder, key } = pick(random, places(whole));
    const kind = random(4);
    if (kind === 0) Reflect.deleteProperty(holder, key);
    else if (kind === 1) Reflect.set(holder, `${key}${pick(random, ['', 'x', ':', '/'])}`, pick(random, odd()));
    else if (kind === 2) Reflect.set(holder, key, [Reflect.get(holder, key), pick(random, odd())]);
    else Reflect.set(holder, key, pick(random, odd()));
    if (places(whole).length === 0) break;
  }
  return whole;
}

const WELL_FORMED = [
  `${HEADS.cilium}spec: {endpointSelector: {matchLabels: {a: b}}, enableDefaultDeny: {ingress: false}, ingress: [{fromEndpoints: [{matchLabels: {a: b}}], toPorts: [{ports: [{port: "80", endPort: 90, protocol: TCP}], rules: {http: [{path: /x, headers: ["A: b"], headerMatches: [{name: a, value: b}]}]}}]}], egressDeny: [{toEntities: [world]}], egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]}`,
  `${HEADS.cnp}spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{name: n, action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}}}], protocols: [{tcp: {destinationPort: {range: {start: 1, end: 2}}}}]}], egress: [{action: Pass, to: [{networks: [10.0.0.0/8]}, {nodes: {}}]}]}`,
].map((text) => parse(text) as unknown);

describe('policies that are broken at random', () => {
  it('are read or refused with a condition, never anything else', () => {
    const told = new Map<string, number>();
    for (let index = 0; index < 8_000; index += 1) {
      const random = randomOf(8_000_000 + index);
      const object = broken(random, pick(random, [...WELL_FORMED, networkPolicy(random, 'p')]));
      const { condition, policies } = readPolicy(object);
      const { accepted, reason, message } = condition;
      assert.match(reason, /^[A-Z][A-Za-z]+$/, `seed ${index}`);
      assert.equal(accepted, ['Accepted', 'PathNeverMatches'].includes(reason), `seed ${index}`);
      assert.equal(reason === 'Accepted', message === '', `seed ${index}`);
      assert.ok(accepted ? policies.length >= 0 : policies.length === 0, `seed ${index}`);
      assert.ok(message.length < 1000, message);
      told.set(reason, (told.get(reason) ?? 0) + 1);
    }
    for (const reason of ['Accepted', 'BadValue', 'UnknownField', 'MissingField', 'BadSelector', 'BadNetwork'])
      assert.ok(told.has(reason), `never: ${reason}`);
  });
});
