/** Policies on real connections: what the kernel lets through is what the model allows. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { labelsOfPod, securityIdentity } from '../../../collector/src/control/policy/endpoints.ts';
import { PROTOCOLS } from '../../../collector/src/control/policy/model.ts';
import { verdict } from '../../../collector/src/control/policy/verdict.ts';
import { run } from '../../../deploy/lab/program.ts';
import { networkPolicy } from '../../collector/policy/support/manifests.ts';
import { model } from '../../collector/policy/support/world.ts';
import { PolicyScene, type Running } from './scene.ts';
import type { Order } from './talker.ts';

const { TCP, UDP } = PROTOCOLS;
const IN = (spec: string) => networkPolicy(`podSelector: {}\n${spec}`, 'in', 'y');
const OUT = (spec: string) => networkPolicy(`podSelector: {}\npolicyTypes: [Egress]\n${spec}`, 'out', 'x');
const FROM_X = 'from: [{namespaceSelector: {matchLabels: {ns: x}}}]';
const FROM_Z = 'from: [{namespaceSelector: {matchLabels: {ns: z}}}]';
const CILIUM = '---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: d, namespace: y}\nspec: ';
const CLUSTER =
  '---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\nspec: ';

const CASES: readonly (readonly [title: string, policies: string])[] = [
  ['none', ''],
  ['default deny of ingress', IN('')],
  ['default deny of egress', OUT('')],
  ['from the namespace', IN(`ingress: [{${FROM_X}}]`)],
  ['from another namespace', IN(`ingress: [{${FROM_Z}}]`)],
  ['one port', IN(`ingress: [{${FROM_X}, ports: [{port: 80}]}]`)],
  ['one port of UDP', IN(`ingress: [{${FROM_X}, ports: [{port: 81, protocol: UDP}]}]`)],
  ['a named port', IN('ingress: [{ports: [{port: serve}]}]')],
  ['a named port out', OUT('egress: [{ports: [{port: serve}]}]')],
  ['a range', OUT('egress: [{ports: [{port: 81, endPort: 90}]}]')],
  ['IPv6 alone', OUT('egress: [{to: [{ipBlock: {cidr: "::/0"}}]}]')],
  [
    'both directions',
    `${IN('ingress: [{ports: [{port: 80}]}]')}---\n${OUT('egress: [{ports: [{port: 81}, {port: 80, protocol: UDP}]}]')}`,
  ],
  [
    'a deny',
    `${CILIUM}{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{toPorts: [{ports: [{port: "81"}]}]}]}`,
  ],
  [
    'an admin accept over isolation',
    `${IN('')}${CLUSTER}{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 80}}}]}]}`,
  ],
];

/** The address of a pod as the kernel keeps it. */
const mapped = (running: Running) => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(0xffff, 10);
  bytes.writeUInt32BE(Number(running.end(4).address.bits), 12);
  return bytes;
};

const PROBES = ([4, 6] as const).flatMap((family) =>
  [80, 81].flatMap((port) => [TCP, UDP].map((protocol) => ({ family, port, protocol }))),
);

describe('policies in force', () => {
  let scene: PolicyScene;
  before(async () => {
    scene = await PolicyScene.create();
  });
  after(() => scene?.end());

  const order = ({ family, port, protocol }: (typeof PROBES)[number]): Order => {
    return { do: protocol === TCP ? 'connect' : 'send', host: scene.at[family], port };
  };
  const probe = async () => {
    const outcomes = await scene.client.tell(...PROBES.map(order));
    return outcomes.map((outcome) => outcome === 'ok');
  };

  for (const [title, policies] of CASES)
    it(`let through what the model allows: ${title}`, async () => {
      const of = model(policies);
      const expected = PROBES.map(({ family, port, protocol }) => {
        const ends = { source: scene.client.end(family), destination: scene.server.end(family) };
        return verdict(of, { ...ends, protocol, port }).verdict !== 'DENIED';
      });
      scene.apply(of);
      assert.deepEqual(await probe(), expected);
      const isSome = title !== 'none' && !title.startsWith('from the');
      assert.equal(expected.includes(false), isSome, 'a case that denies nothing shows little');
    });

  it('audit lets through and tells, observe does not even ask', async () => {
    for (const mode of ['audit', 'observe'] as const) {
      scene.takeRecords();
      scene.apply(model(IN(''), mode));
      assert.deepEqual(new Set(await probe()), new Set([true]), mode);
      const verdicts = new Set(scene.takeRecords().map((record) => record.verdict));
      assert.deepEqual(verdicts, new Set(mode === 'audit' ? ['NO_POLICY', 'AUDITED'] : []));
    }
  });

  it('a pod is not kept from itself, at any of its addresses', async () => {
    scene.apply(model(`${IN('')}---\n${networkPolicy('podSelector: {}\npolicyTypes: [Egress]', 'out', 'y')}`));
    scene.takeRecords();
    const hosts = ['127.0.0.1', '127.0.0.2', '::1', scene.at[4], scene.at[6]];
    const orders = hosts.flatMap((host) =>
      (['connect', 'send'] as const).map((word) => ({ do: word, host, port: 80 })),
    );
    assert.deepEqual(new Set(await scene.server.tell(...orders)), new Set(['ok']));
    assert.deepEqual(scene.takeRecords(), []);
  });

  it('a connection that is there stays, the next is denied', async () => {
    scene.apply(model(''));
    const at = { host: scene.at[4], port: 80 };
    assert.deepEqual(await scene.client.tell({ do: 'connect', ...at, id: 'held' }), ['ok']);
    scene.apply(model(IN('')));
    assert.deepEqual(await scene.client.tell({ do: 'say', id: 'held' }, { do: 'connect', ...at }), ['ok', 'nothing']);
    await scene.client.tell({ do: 'close', id: 'held' });
  });

  it('answers come back to where nothing may come in, from where nothing may go out', async () => {
    scene.apply(
      model(
        `${networkPolicy('podSelector: {}', 'in', 'x')}---\n${networkPolicy('podSelector: {}\npolicyTypes: [Egress]', 'out', 'y')}`,
      ),
    );
    const at = { host: scene.at[6], port: 80 };
    const told = await scene.client.tell({ do: 'connect', ...at, id: 'reply' }, { do: 'send', ...at });
    assert.deepEqual(told, ['ok', 'ok']);
    assert.deepEqual(await scene.client.tell({ do: 'say', id: 'reply' }), ['ok']);
    await scene.client.tell({ do: 'close', id: 'reply' });
  });

  it('a UDP flow is judged again when the policies change', async () => {
    const datagram = { do: 'send', host: scene.at[4], port: 80, id: 'flow' } as const;
    scene.apply(model(''));
    assert.deepEqual(await scene.client.tell(datagram), ['ok']);
    scene.apply(model(OUT('')));
    assert.notDeepEqual(await scene.client.tell(datagram), ['ok']);
    scene.apply(model(IN('')));
    assert.deepEqual(await scene.client.tell(datagram), ['nothing']);
    scene.apply(model(IN('ingress: [{}]')));
    assert.deepEqual(await scene.client.tell(datagram), ['ok']);
  });

  it('a packet in pieces, made by who writes its headers himself, is denied and told', async () => {
    const of = [scene.client.end(4), scene.server.end(4)].map(({ address }) =>
      address.bits.toString(16).padStart(8, '0'),
    );
    // Eight bytes of a TCP header: ports, and no flags. As IPv4 with more fragments to follow, and without.
    const send = (flags: string, protocol = '06') => {
      const packet = `4500001c0001${flags}40${protocol}0000${of.join('')}123400500000000a`;
      const lines = [
        'import socket, sys',
        's = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)',
        'try: s.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], 0)); print("sent")',
        'except OSError as e: print(e.errno)',
      ];
      return run(scene.client, ['python3', '-c', lines.join('\n'), packet, scene.at[4]]);
    };
    const EPERM = '1\n';
    scene.apply(model(OUT('egress: [{ports: [{port: 80}]}]')));
    scene.takeRecords();
    assert.deepEqual([await send('2000'), await send('0000')], [EPERM, EPERM]);
    assert.equal(await send('2000', '01'), 'sent\n', 'what is not judged is not denied');
    const denied = scene.takeRecords().toSorted((one, other) => one.port - other.port);
    assert.deepEqual(
      denied.map(({ verdict: word, is_egress, protocol, port, count }) => [word, is_egress, protocol, port, count]),
      [
        ['DENIED', 1, TCP, 0, 1n],
        ['DENIED', 1, TCP, 80, 1n],
      ],
    );
    scene.apply(model(IN('')));
    assert.equal(await send('2000'), 'sent\n', 'no policy is about what leaves this pod');
  });

  it('each denied datagram is counted, with both identities and the policy', async () => {
    const of = model(IN(''));
    scene.apply(of);
    scene.takeRecords();
    const datagrams = Array.from({ length: 200 }, () => ({ do: 'send', host: scene.at[4], port: 81 }) as const);
    await scene.client.tell(...datagrams);
    const [denied, ...others] = scene.takeRecords().filter((record) => record.verdict === 'DENIED');
    assert.deepEqual(others, []);
    const identity = (running: typeof scene.client) => BigInt(securityIdentity(labelsOfPod(running.pod)));
    assert.deepEqual(denied, {
      ...{ identity: identity(scene.server), peer_identity: identity(scene.client), generation: scene.maps.generation },
      ...{ port: 81, protocol: UDP, is_egress: 0, verdict: 'DENIED', count: 200n, decision: denied?.decision },
    });
  });

  it('the first of each kind of verdict is kept as its sample', async () => {
    scene.apply(model(IN('')));
    scene.takeRecords();
    const began = process.hrtime.bigint();
    await scene.client.tell({ do: 'send', host: scene.at[4], port: 81, id: 'sample' });
    const ended = process.hrtime.bigint();
    await scene.client.tell({ do: 'send', host: scene.at[4], port: 81 });
    const [sample] = scene.takeSamples().filter(({ verdict: word }) => word === 'DENIED');
    assert.equal(sample?.count, 2n);
    assert.deepEqual(sample?.source, mapped(scene.client));
    assert.deepEqual(sample?.destination, mapped(scene.server));
    assert.equal(sample?.ports[1], 81);
    assert.notEqual(sample?.ports[0], 0);
    assert.ok(began < sample.firstNs && sample.firstNs < ended && ended < sample.lastNs);
  });

  it('no connection is refused, and none let through, while sets of tables take turns', async () => {
    const of = model(`${IN(`ingress: [{${FROM_X}, ports: [{port: 80}]}]`)}`);
    let isOver = false;
    const turns = (async () => {
      for (let turn = 0; !isOver; turn += 1) {
        scene.apply(of);
        if (turn % 20 === 0) scene.maps.free();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    const allowed = Array.from({ length: 50 }, () => ({ do: 'connect', host: scene.at[4], port: 80 }) as const);
    const denied = allowed.slice(0, 10).map((one) => ({ ...one, port: 81 }));
    const outcomes = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      const told = await scene.client.tell(...allowed, ...denied);
      for (const [index, outcome] of told.entries()) outcomes.add(`${index < allowed.length ? 80 : 81} ${outcome}`);
    }
    isOver = true;
    await turns;
    assert.deepEqual(outcomes, new Set(['80 ok', '81 nothing']));
  });
});
