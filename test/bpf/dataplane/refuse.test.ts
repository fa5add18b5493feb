/**
 * Answers to connections that a verdict refuses: what the client is told and when, and what the server sees. The verdict is
 * this test's; test/bpf/policy/http.test.ts has the data plane's.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { loseFirstWith } from '../../../deploy/lab/loss.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { builtTestProgram } from '../../native/build.ts';
import { PinnedDataplane } from './pinned.ts';
import { script } from './redirect.ts';

const [NONE, RESET, FORBIDDEN] = [0, 1, 2];
const ANSWER = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
/** Within a round trip, and a busy machine's scheduler. */
const PROMPT_MS = 100;

interface Told {
  readonly received: string;
  readonly end: string;
  readonly answeredMs?: number;
  readonly endedMs: number;
}

describe('a refused connection', () => {
  let dataplane: PinnedDataplane;
  let cgroup: Cgroup;
  let client: Namespace;
  let server: Namespace;
  let host: { ipv4: string; ipv6: string };
  let device: string;
  let port = 8000;

  before(() => {
    cgroup = createCgroup();
    [client, server] = [createNamespace(), createNamespace()];
    host = connect(client, server).b;
    dataplane = new PinnedDataplane(builtTestProgram('refuse.bpf.o'));
    device = (JSON.parse(server.run('ip', '-j', 'link', 'show', 'type', 'veth')) as { ifname: string }[])[0]!.ifname;
    server.run('tc', 'qdisc', 'add', 'dev', device, 'clsact');
    const pinned = dataplane.program('refuse_ingress');
    server.run('tc', 'filter', 'add', 'dev', device, 'ingress', 'bpf', 'direct-action', 'object-pinned', pinned);
    dataplane.attachCgroup('refuse_payload', 'cgroup_inet_ingress', cgroup);
  });
  after(() => {
    client.remove();
    server.remove();
    cgroup.remove();
    dataplane?.close();
  });

  /** Serves one connection, and returns what both ends tell of it. */
  async function refuse(
    answer: number,
    { bytes = 100, address = host.ipv4, serverBytes = 0 } = {},
  ): Promise<{ told: Told; served: string }> {
    port += 1;
    const map = dataplane.map('refused_sockets');
    const program: Program = start(
      { namespace: server, cgroup },
      script('refused_server.ts', port, map, answer, serverBytes),
    );
    await listening(server, port);
    const told = JSON.parse(
      await run({ namespace: client, cgroup }, script('refused_client.ts', address, port, bytes)),
    ) as Told;
    const served = await eventually('the end at the server', () => program.output() !== '' && program.output());
    await program.stop();
    return { told, served };
  }

  function assertForbidden({ told, served }: { told: Told; served: string }, promptMs = PROMPT_MS): void {
    assert.equal(told.received, ANSWER);
    assert.equal(told.end, 'end');
    assert.ok(told.endedMs < promptMs, `${told.endedMs} ms`);
    assert.equal(served, '0 ECONNRESET\n');
  }

  /** The device computes checksums (as virtual ones pretend to), or the sender's kernel does. */
  function offload(namespace: Namespace, on: boolean): void {
    const name = (JSON.parse(namespace.run('ip', '-j', 'link', 'show', 'type', 'veth')) as { ifname: string }[])[0]!
      .ifname;
    // SIOCETHTOOL with ETHTOOL_STXCSUM: there may be no ethtool.
    const set = `use Socket; socket(S, AF_INET, SOCK_DGRAM, 0); my $v = pack("LL", 0x17, ${on ? 1 : 0}); ioctl(S, 0x8946, pack("a16P", "${name}", $v)) or die $!`;
    namespace.run('perl', '-e', set);
  }

  for (const [checksums, on] of [
    ['that the device computes', true],
    ['that the kernel computes', false],
  ] as const)
    for (const family of ['ipv4', 'ipv6'] as const)
      for (const bytes of [100, 60_000])
        it(`is told 403, with checksums ${checksums}: ${family}, ${bytes} bytes`, async () => {
          for (const namespace of [client, server]) offload(namespace, on);
          const resets = (): string => client.run('nstat', '-asz', 'TcpInErrs', 'TcpEstabResets', 'TcpInCsumErrors');
          const before = resets();
          assertForbidden(await refuse(FORBIDDEN, { bytes, address: host[family] }));
          assert.equal(resets(), before, 'the client saw no reset and no wrong checksum');
          await eventually('the end of every socket', () => !/ESTAB|FIN|LAST|CLOS/.test(client.run('ss', '-tanH')));
          for (const namespace of [client, server]) offload(namespace, true);
        });

  for (const family of ['ipv4', 'ipv6'] as const)
    it(`is reset at both ends: ${family}`, async () => {
      const { told, served } = await refuse(RESET, { bytes: 60_000, address: host[family] });
      assert.deepEqual([told.received, told.end, served], ['', 'ECONNRESET', '0 ECONNRESET\n']);
      assert.ok(told.endedMs < PROMPT_MS);
    });

  it('is told again when the answer was lost', async () => {
    const lost = loseFirstWith(client, '403 Forbidden');
    const begin = dataplane.counters('refuse_counters')[2]!;
    assertForbidden(await refuse(FORBIDDEN), 2_000);
    assert.equal(lost(), 1);
    assert.ok(dataplane.counters('refuse_counters')[2]! > begin);
  });

  it('is reset where an answer is on its way, whatever was to be told', async () => {
    const { told, served } = await refuse(FORBIDDEN, { serverBytes: 20_000_000 });
    assert.equal(told.end, 'ECONNRESET');
    assert.match(told.received, /^r*$/);
    assert.equal(served, '0 ECONNRESET\n');
  });

  it('is left alone by a segment that TCP would not take', async () => {
    const begin = dataplane.counters('refuse_counters');
    const map = dataplane.map('refused_sockets');
    const program = start({ namespace: server, cgroup }, script('refused_server.ts', 9002, map, RESET, 0));
    await listening(server, 9002);
    const dial = `use Socket; socket(S, AF_INET, SOCK_STREAM, 0); connect(S, pack_sockaddr_in(9002, inet_aton("${host.ipv4}"))) or die $!;`;
    // A segment with payload, from this very connection, with a sequence number out of any window.
    const forge = `
      sysread(S, $ready, 6); ($port, $from) = sockaddr_in(getsockname(S)); $to = inet_aton("${host.ipv4}");
      socket(R, AF_INET, SOCK_RAW, 6) or die $!;
      $tcp = pack("nnNNCCnnn", $port, 9002, 12345, 67890, 0x50, 0x18, 1000, 0, 0) . "GET / HTTP/1.1\r\n\r\n";
      $sum = 0; $sum += $_ for unpack("n*", $from . $to . pack("nn", 6, length $tcp) . $tcp);
      $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
      substr($tcp, 16, 2) = pack("n", ~$sum & 0xffff);
      send(R, $tcp, 0, pack_sockaddr_in(0, $to)) or die $! for 1 .. 5;
      select(undef, undef, undef, 0.2); print "sent";`;
    assert.equal(await run({ namespace: client, cgroup }, ['perl', '-e', dial + forge]), 'sent');
    assert.equal(await eventually('the end', () => program.output() !== '' && program.output()), '0 end\n');
    await program.stop();
    assert.deepEqual(dataplane.counters('refuse_counters'), begin);
  });

  it('is none without a verdict', async () => {
    const begin = dataplane.counters('refuse_counters');
    const map = dataplane.map('refused_sockets');
    const program = start({ namespace: server, cgroup }, script('refused_server.ts', 9000, map, NONE, 5));
    await listening(server, 9000);
    const asking = start({ namespace: client, cgroup }, script('refused_client.ts', host.ipv4, 9000, 60_000));
    await eventually('the request', () =>
      server.run('ss', '-tinH', 'sport', '=', ':9000').includes('bytes_received:60000'),
    );
    await asking.stop();
    await eventually('the end', () => program.output() === '60000 end\n' || program.output() === '60000 ECONNRESET\n');
    await program.stop();
    assert.deepEqual(dataplane.counters('refuse_counters'), begin);
  });

  it('has no way in where nobody answers', async () => {
    server.run('tc', 'qdisc', 'del', 'dev', device, 'clsact');
    const map = dataplane.map('refused_sockets');
    const program = start({ namespace: server, cgroup }, script('refused_server.ts', 9001, map, FORBIDDEN, 0));
    await listening(server, 9001);
    const asking = start({ namespace: client, cgroup }, script('refused_client.ts', host.ipv4, 9001, 60_000));
    await eventually('retransmits', () => client.run('ss', '-tinH', 'dport', '=', ':9001').includes('retrans:'));
    const atServer = server.run('ss', '-tinH', 'state', 'established', 'sport', '=', ':9001');
    assert.match(atServer, /bytes_sent:6 /);
    assert.doesNotMatch(atServer, /bytes_received/);
    for (const each of [asking, program]) await each.stop();
  });
});
