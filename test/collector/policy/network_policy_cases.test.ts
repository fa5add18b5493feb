/** NetworkPolicy v1: which policy and which rule is told for one connection. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { A, DENY_IN, DENY_OUT, networkPolicy as policy } from './support/manifests.ts';
import { judged, model, type Row } from './support/world.ts';

const FROM_OUTSIDE = policy(`${A}ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}]}]`);
const BOTH = policy(`${A}policyTypes: [Ingress, Egress]\ningress: [{from: [{podSelector: {}}]}]\negress: [{}]`);

const ROWS: readonly (readonly [title: string, policies: string, row: Row, expected: string])[] = [
  ['no policy', '', { from: 'x/b', to: 'x/a' }, 'NO_POLICY egress no_policy'],
  ['the rule is told', BOTH, { from: 'x/b', to: 'x/a' }, 'ALLOWED ingress rule namespace p spec.ingress[0]'],
  ['the policy that isolates is told', BOTH, { from: 'y/b', to: 'x/a' }, 'DENIED ingress isolated namespace p'],
  ["the pod's own node is allowed in", DENY_IN, { from: 'node-a', to: 'x/a' }, 'ALLOWED ingress own_node namespace'],
  ['another node is not', DENY_IN, { from: 'node-b', to: 'x/a' }, 'DENIED ingress isolated namespace deny-in'],
  [
    'out to the own node is judged as any',
    DENY_OUT,
    { from: 'x/a', to: 'node-a' },
    'DENIED egress isolated namespace deny-out',
  ],
  [
    'a node is no pod of any namespace',
    policy(`${A}ingress: [{from: [{namespaceSelector: {}}]}]`),
    { from: 'node-b', to: 'x/a' },
    'DENIED ingress isolated namespace p',
  ],
  [
    'a pod cannot block access to itself',
    `${DENY_IN}---\n${DENY_OUT}`,
    { from: 'x/a', to: 'x/a' },
    'NO_POLICY egress itself',
  ],
  [
    'nor at its other addresses',
    `${DENY_IN}---\n${DENY_OUT}`,
    { from: 'x/a', to: '127.0.0.2' },
    'NO_POLICY egress itself',
  ],
  [
    'an address outside, in the block',
    FROM_OUTSIDE,
    { from: '203.0.113.127', to: 'x/a' },
    'ALLOWED ingress rule namespace p spec.ingress[0]',
  ],
  ['in its exception', FROM_OUTSIDE, { from: '203.0.113.128', to: 'x/a' }, 'DENIED ingress isolated namespace p'],
  ['beside it', FROM_OUTSIDE, { from: '203.0.112.255', to: 'x/a' }, 'DENIED ingress isolated namespace p'],
  [
    'a rule without from is whoever it is',
    policy(`${A}ingress: [{ports: [{port: 80}]}]`),
    { from: '203.0.113.1', to: 'x/a' },
    'ALLOWED ingress rule namespace p spec.ingress[0]',
  ],
  [
    'a named port means nothing outside',
    policy(`${A}policyTypes: [Egress]\negress: [{ports: [{port: serve}]}]`),
    { from: 'x/a', to: '203.0.113.1', port: '8080' },
    'DENIED egress isolated namespace p',
  ],
  [
    'all of IPv6 is nothing of IPv4',
    policy(`${A}ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]`),
    { from: 'x/b', to: 'x/a' },
    'DENIED ingress isolated namespace p',
  ],
  [
    'all of IPv6',
    policy(`${A}ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]`),
    { from: 'x/b', to: 'x/a', family: 6 },
    'ALLOWED ingress rule namespace p spec.ingress[0]',
  ],
  [
    'all of IPv4 is nothing of IPv6',
    policy(`${A}ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]`),
    { from: 'x/b', to: 'x/a', family: 6 },
    'DENIED ingress isolated namespace p',
  ],
  [
    'between what is no pod nothing is judged',
    DENY_IN,
    { from: '203.0.113.1', to: 'node-a' },
    'NO_POLICY egress not_a_pod',
  ],
  [
    'the second of two rules is told',
    policy(`${A}ingress: [{ports: [{port: 1}]}, {ports: [{port: 80}]}]`),
    { from: 'y/b', to: 'x/a' },
    'ALLOWED ingress rule namespace p spec.ingress[1]',
  ],
];

describe('NetworkPolicy v1, cases', () => {
  for (const [title, policies, row, expected] of ROWS)
    it(title, () => assert.equal(judged(model(policies), row), expected));
});
