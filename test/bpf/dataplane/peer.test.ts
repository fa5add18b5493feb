/** Packets of pods of one node that go past the node's stack, and those that must not. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ENUMS } from '../../../bpf/dataplane/redirect_peer.gen.ts';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { createNode, type Node, type Pod } from './node.ts';
import { PinnedDataplane } from './pinned.ts';
import { script } from './redirect.ts';

const PORT = 8080;
const VIRTUAL = '10.96.0.10';

describe('connections between pods of a node', () => {
  let dataplane: PinnedDataplane;
  let node: Node;
  let client: Pod;
  let server: Pod;
  let serving: Program;

  before(async () => {
    node = createNode();
    [client, server] = node.pods;
    dataplane = new PinnedDataplane();
    serving = start({ namespace: server.namespace }, script('stream.ts', 'serve', PORT));
    await listening(server.namespace, PORT);
    const to = ['--to-destination', `${server.ipv4}:${PORT}`];
    node.namespace.run(
      ...(['iptables', '-t', 'nat', '-A', 'PREROUTING', '-d', VIRTUAL, '-p', 'tcp', '-j', 'DNAT', ...to] as const),
    );
  });
  after(async () => {
    await serving?.stop();
    node.remove();
    dataplane?.close();
  });

  const stream = (host: string, connections: number, bytes: number, writeMs = 0): Promise<string> =>
    run({ namespace: client.namespace }, script('stream.ts', 'stream', host, PORT, connections, bytes, 0, writeMs));

  /** Packets that the node passed on, of both IP versions. */
  function forwarded(): number {
    const counters = node.namespace.run('nstat', '-asz', 'IpForwDatagrams', 'Ip6OutForwDatagrams');
    return [...counters.matchAll(/Forw\S+\s+(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  const peerCount = (what: keyof typeof ENUMS.peer_counter): number =>
    dataplane.counters('peer_counters')[ENUMS.peer_counter[what]]!;

  it('go through the node without it', async () => {
    const begin = forwarded();
    assert.equal(await stream(server.ipv4, 4, 200_000), '4\n');
    assert.ok(forwarded() - begin > 100);
    node.attach(dataplane);
  });

  for (const family of ['ipv4', 'ipv6'] as const)
    it(`go past it: ${family}`, async () => {
      const begin = forwarded();
      assert.equal(await stream(server[family], 10, 1_000_000), '10\n');
      assert.equal(forwarded() - begin, 0);
    });

  it('go through it where it translates them, both ways', async () => {
    const begin = forwarded();
    assert.equal(await stream(VIRTUAL, 4, 200_000), '4\n');
    assert.ok(forwarded() - begin > 100);
  });

  it('go through it where it translates them to addresses and ports that went past it before', async () => {
    const ports = (range: string) => client.namespace.run('sysctl', '-qw', `net.ipv4.ip_local_port_range=${range}`);
    client.namespace.run('sysctl', '-qw', 'net.ipv4.tcp_max_tw_buckets=0');
    ports('40000 40000');
    assert.equal(await stream(server.ipv4, 1, 1000), '1\n');
    const begin = forwarded();
    assert.equal(await stream(VIRTUAL, 1, 1000), '1\n');
    ports('32768 60999');
    assert.ok(forwarded() - begin > 5);
  });

  it('go on as they began when both pods are only audited, and begin through it', async () => {
    const [begin, audited] = [forwarded(), peerCount('audited')];
    const streams = stream(server.ipv4, 4, 1_000_000, 10);
    await eventually('packets', () => client.namespace.run('ss', '-tnH', 'dport', '=', `:${PORT}`) !== '');
    node.goAsFar(dataplane, 'audit');
    assert.equal(await streams, '4\n');
    assert.equal(forwarded() - begin, 0);
    assert.equal(await stream(server.ipv4, 4, 200_000), '4\n');
    assert.ok(forwarded() - begin > 100);
    assert.equal(peerCount('audited') - audited, 4);
    node.goAsFar(dataplane, 'enforce');
  });

  it('go on through it when the program is gone', async () => {
    const begin = forwarded();
    const streams = stream(server.ipv4, 4, 1_000_000, 10);
    await eventually('packets', () => client.namespace.run('ss', '-tnH', 'dport', '=', `:${PORT}`) !== '');
    node.detach();
    assert.equal(await streams, '4\n');
    assert.ok(forwarded() - begin > 100);
  });
});
