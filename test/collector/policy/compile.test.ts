/** The compiled tables say what the model says, and say when they do not fit. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BOUNDS, compile } from '../../../collector/src/control/policy/compile.ts';
import { prefixesOf } from '../../../collector/src/control/policy/compile_ports.ts';
import { type End, labelsOfPod, securityIdentity } from '../../../collector/src/control/policy/endpoints.ts';
import { PolicyLookup } from '../../../collector/src/control/policy/lookup.ts';
import { DIRECTIONS, modelOf } from '../../../collector/src/control/policy/model.ts';
import type { Address } from '../../../collector/src/control/policy/prefix.ts';
import { readPolicy } from '../../../collector/src/control/policy/read_policy.ts';
import { verdictOf } from '../../../collector/src/control/policy/verdict.ts';
import { networkPolicy } from './support/manifests.ts';
import { endOf, podOf } from './support/plain.ts';
import { OUTSIDE, pick, plainPods, portNumber, randomOf } from './support/random.ts';
import { anyPolicy } from './support/random_policies.ts';
import { address, model, nodeOf, PODS } from './support/world.ts';

const WORLDS = 400;
const SEED = 5_000_000;
const PORTS = [0, 1, 79, 80, 80, 80, 81, 83, 84, 443, 443, 444, 8080, 8081, 65_535];
const PROTOCOLS = [1, 6, 6, 6, 17, 132];
const NODES = ['n1', 'n2'].map((name) => {
  return { name, labels: new Map([['node', name]]), addresses: [address(`192.168.0.${name.slice(1)}`)] };
});

describe('policy tables', () => {
  it('decide as the model does, over random policies of all kinds', () => {
    const told = new Map<string, number>();
    for (let world = 0; world < WORLDS; world += 1) {
      const random = randomOf(SEED + world);
      const plain = plainPods(random);
      const pods = plain.map(podOf);
      const read = Array.from({ length: 1 + random(5) }, (_, index) => readPolicy(anyPolicy(random, `p${index}`)));
      for (const { condition } of read) assert.equal(condition.accepted, true, condition.message);
      const policies = read.flatMap((one) => one.policies);
      const of = modelOf(policies, { mode: 'enforce', namespaces: new Map() });
      const { tables } = compile(of, { node: 'n1', nodes: NODES, pods });
      assert.ok(tables !== undefined);
      const lookup = new PolicyLookup(tables);
      const ends: End[] = [
        ...plain.map((pod) => endOf({ pod, ip: pod.ip })),
        ...NODES.map((node) => ({ node, address: node.addresses[0] as Address })),
        ...[...OUTSIDE, `10.0.1.${random(256)}`].map((ip) => ({ address: address(ip) })),
      ].filter((one, index, all) => all.findIndex((other) => other.address.bits === one.address.bits) === index);
      for (const subject of ends.filter(({ pod }) => pod?.node === 'n1'))
        for (const other of ends.filter((one) => one !== subject))
          for (const direction of DIRECTIONS) {
            const [source, destination] = direction === 'egress' ? [subject, other] : [other, subject];
            const traffic = { protocol: pick(random, PROTOCOLS), port: pick(random, [...PORTS, portNumber(random)]) };
            const expected = verdictOf(of, direction, { source, destination, ...traffic });
            const decision = lookup.decision({
              ...{ subject: subject.pod?.uid ?? '', direction, address: other.address, ...traffic },
            });
            const actual = {
              ...{ verdict: decision?.verdict ?? 'NO_POLICY', reason: decision?.reason ?? 'no_policy' },
              ...{ policy: decision?.policy?.name, path: decision?.rule?.path },
              http: (decision?.http ?? []).map(({ rule }) => rule),
            };
            const { verdict, reason, policy, path, http } = expected;
            const wanted = { verdict, reason, policy: policy?.name, path, http: http.map(({ rule }) => rule) };
            assert.deepEqual(actual, wanted, `seed ${SEED + world} ${direction} ${JSON.stringify(traffic)}`);
            const word = http.length > 0 ? 'HTTP' : `${verdict} ${reason}`;
            told.set(word, (told.get(word) ?? 0) + 1);
          }
    }
    for (const word of [
      'ALLOWED rule',
      'DENIED rule',
      'DENIED isolated',
      'ALLOWED own_node',
      'NO_POLICY no_policy',
      'HTTP',
    ])
      assert.ok((told.get(word) ?? 0) > 30, `${word}: ${told.get(word)}`);
  });

  it('ranges of ports are the fewest prefixes, and all of them', () => {
    const texts = (from: number, to: number) => prefixesOf(from, to + 1).map(({ port, length }) => `${port}/${length}`);
    assert.deepEqual(texts(0, 65_535), ['0/0']);
    assert.deepEqual(texts(80, 80), ['80/16']);
    assert.deepEqual(texts(80, 85), ['80/14', '84/15']);
    assert.deepEqual(texts(65_535, 65_535), ['65535/16']);
    assert.equal(texts(1, 65_534).length, 30);
  });

  it('a port range of a rule takes as many entries as it has prefixes', () => {
    const of = model(networkPolicy('podSelector: {}\ningress: [{ports: [{port: 80, endPort: 85}]}]'));
    const { tables } = compile(of, { node: 'node-a', nodes: [], pods: [...PODS.values()] });
    const ports = tables?.ports.map(({ protocol, port, length }) => `${protocol} ${port}/${length}`);
    // The node's own table has nothing but its default for all protocols, and one for TCP.
    assert.deepEqual(ports, ['undefined 0/0', '6 0/0', '6 80/14', '6 84/15']);
  });

  it('pods that no policy tells apart share a peer', () => {
    const of = model(networkPolicy('podSelector: {}\ningress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]'));
    const { tables } = compile(of, { node: 'node-a', nodes: ['a', 'b', 'c'].map(nodeOf), pods: [...PODS.values()] });
    const peers = new Map(tables?.addresses.map(({ prefix, peer }) => [prefix.bits, peer]));
    const peerOf = (text: string) => peers.get(address(text).bits);
    assert.equal(peerOf('192.168.0.2'), peerOf('192.168.0.3'), 'two other nodes');
    assert.notEqual(peerOf('192.168.0.1'), peerOf('192.168.0.2'), 'the own node');
    assert.notEqual(peerOf('10.0.1.1'), peerOf('10.0.1.2'), 'pods by the label that the policy names');
  });

  it('what does not fit is refused with its number', () => {
    const of = model(networkPolicy('podSelector: {}\ningress: [{ports: [{port: 80, endPort: 85}]}]'));
    const cluster = { node: 'node-a', nodes: [], pods: [...PODS.values()] };
    for (const name of Object.keys(BOUNDS).filter((one) => one !== 'units')) {
      const { tables, condition } = compile(of, cluster, { ...BOUNDS, [name]: 0 });
      assert.equal(tables, undefined);
      assert.equal(condition?.reason, 'TablesFull');
      assert.match(condition?.message ?? '', new RegExp(`^${name}: the policies need [0-9]+, at most 0 fit: `));
    }
  });
});

describe('security identities', () => {
  it('are of labels alone, and the same every time', () => {
    const [a, b] = [PODS.get('x/a'), PODS.get('x/b')] as const;
    assert.ok(a !== undefined && b !== undefined);
    const identity = securityIdentity(labelsOfPod(a));
    assert.equal(identity, securityIdentity(labelsOfPod({ ...b, labels: a.labels, serviceAccount: a.serviceAccount })));
    assert.notEqual(identity, securityIdentity(labelsOfPod(b)));
    assert.ok(Number.isSafeInteger(identity) && identity > 0 && identity < 2 ** 48);
    assert.equal(
      securityIdentity(
        new Map([
          ['a', '1'],
          ['b', '2'],
        ]),
      ),
      securityIdentity(
        new Map([
          ['b', '2'],
          ['a', '1'],
        ]),
      ),
    );
    assert.equal(securityIdentity(new Map([['entity', 'world']])), 26_505_724_883_623);
  });
});
