/** Bytes that go past TCP between two ends of one machine: every one of them arrives, in order, once. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import {
  AUDITED,
  BYTES,
  createRedirect,
  IN_TCP,
  JOINED,
  OPTED_OUT,
  REDIRECTED,
  type Redirect,
  script,
  UNREAD,
} from './redirect.ts';

/** Between two reads, and between two writes, at both ends. */
interface Pauses {
  readonly readMs?: number;
  readonly writeMs?: number;
}

const PORT = 8080;
const POUR_PORT = 8081;

describe('redirected bytes', () => {
  let redirect: Redirect;
  let server: Program;
  let reader: Program;

  before(async () => {
    redirect = createRedirect();
    server = start(redirect.server, script('stream.ts', 'serve', PORT));
    reader = start(redirect.server, script('pour.ts', 'read', POUR_PORT));
    for (const port of [PORT, POUR_PORT]) await listening(redirect.server.namespace, port);
  });
  beforeEach(() => redirect.optIn('client', 'server'));
  after(async () => {
    for (const program of [server, reader]) await program?.stop();
    redirect?.end();
  });

  const stream = (
    connections: number,
    bytes: number,
    pauses: Pauses = {},
    host = redirect.host.ipv4,
  ): Promise<string> =>
    run(
      redirect.client,
      script('stream.ts', 'stream', host, PORT, connections, bytes, pauses.readMs ?? 0, pauses.writeMs ?? 0),
    );

  for (const family of ['ipv4', 'ipv6'] as const)
    it(`are whole on many connections, and are not on the cable: ${family}`, async () => {
      const counted = redirect.counting();
      assert.equal(await stream(40, 100_000, {}, redirect.host[family]), '40\n');
      const { cableBytes, stops } = counted();
      assert.ok(stops[REDIRECTED]! > 200, `redirected: ${stops}`);
      assert.ok(cableBytes < 40 * 100_000, `of 8 MB ${cableBytes} bytes went over the cable`);
      assert.equal(stops[JOINED], 40);
      assert.ok(stops[BYTES]! > 4_000_000 && stops[BYTES]! < 8_100_000, `${stops[BYTES]} bytes`);
    });

  it('are whole where TCP takes over from a reader that is behind', async () => {
    const counted = redirect.counting();
    assert.equal(await stream(4, 5_000_000, { readMs: 3 }), '4\n');
    const { stops } = counted();
    assert.equal(stops[UNREAD], 8, 'each direction of each');
    assert.ok(stops[REDIRECTED]! > 8);
  });

  it('are none where one end did not opt in', async () => {
    for (const end of ['client', 'server'] as const) {
      redirect.optIn(end);
      const counted = redirect.counting();
      assert.equal(await stream(4, 100_000), '4\n');
      const { cableBytes, stops } = counted();
      assert.ok(
        stops.every((stop) => stop === 0),
        `neither end is in the map: ${stops}`,
      );
      assert.ok(cableBytes > 800_000);
    }
  });

  for (const [client, server] of [
    ['audit', 'audit'],
    ['audit', 'enforce'],
    ['enforce', 'audit'],
  ] as const)
    it(`are counted and left to TCP where they would be redirected: ${client} to ${server}`, async () => {
      redirect.goAsFar({ client, server });
      const counted = redirect.counting();
      assert.equal(await stream(4, 100_000), '4\n');
      const { cableBytes, stops } = counted();
      assert.deepEqual([stops[REDIRECTED], stops[JOINED], stops[AUDITED]], [0, 0, 4]);
      assert.ok(cableBytes > 800_000);
    });

  it('are whole when they are only audited while they flow, and when they are redirected again', async () => {
    const counted = redirect.counting();
    const streams = stream(4, 1_000_000, { writeMs: 10 });
    await eventually('redirected bytes', () => counted().stops[REDIRECTED]! > 20);
    redirect.goAsFar({ client: 'audit', server: 'audit' });
    await eventually('what they went over to', () => counted().stops[OPTED_OUT] === 8);
    redirect.optIn('client', 'server');
    assert.equal(await streams, '4\n');
    assert.equal(counted().stops[OPTED_OUT], 8, 'they did not come back');
  });

  it('are whole when both ends opt out while they flow', async () => {
    const counted = redirect.counting();
    const streams = stream(4, 1_000_000, { writeMs: 10 });
    await eventually('redirected bytes', () => counted().stops[REDIRECTED]! > 20);
    redirect.optIn();
    assert.equal(await streams, '4\n');
    const { stops } = counted();
    assert.equal(stops[OPTED_OUT], 8, `each direction of each, at its next write: ${stops}`);
  });

  it('cannot be lost with an entry of the map: no process can delete one', async () => {
    const counted = redirect.counting();
    const streams = stream(4, 1_000_000, { writeMs: 10 });
    await eventually('redirected bytes', () => counted().stops[REDIRECTED]! > 20);
    const keys = redirect.dataplane.keys('redirect_ends');
    assert.ok(keys.length >= 8);
    for (const key of keys) assert.throws(() => redirect.dataplane.delete('redirect_ends', key), /not permitted/);
    assert.equal(await streams, '4\n');
  });

  it('are a right beginning when the writer is killed', async () => {
    const before = reader.output().length;
    const writer = start(redirect.client, script('pour.ts', 'write', redirect.host.ipv4, POUR_PORT));
    await sleep(500);
    writer.process.kill('SIGKILL');
    const line = await eventually(
      'the end',
      () => reader.output().slice(before).includes('\n') && reader.output().slice(before),
    );
    assert.match(line, /^[1-9]\d+ right\n$/);
  });

  it('end for the writer when the reader is killed, at the latest when its half of the connection is given up', async () => {
    redirect.server.namespace.run('sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=1');
    const victim = start(redirect.server, script('pour.ts', 'read', POUR_PORT + 1));
    await listening(redirect.server.namespace, POUR_PORT + 1);
    const writer = start(redirect.client, script('pour.ts', 'write', redirect.host.ipv4, POUR_PORT + 1));
    await sleep(500);
    victim.process.kill('SIGKILL');
    await eventually('the end of the writer', () => writer.process.exitCode !== null && writer.output() !== '');
    assert.match(writer.output(), /^(EPIPE|ECONNRESET)\n$/);
  });

  it('are never mixed up between connections of the same addresses and ports in two namespaces', async () => {
    const places = [redirect.client, redirect.server];
    const local = places.map((place) => start(place, script('pour.ts', 'read', POUR_PORT + 2)));
    for (const { namespace } of places) await listening(namespace, POUR_PORT + 2);
    const counted = redirect.counting();
    const write = `exec 3<>/dev/tcp/127.0.0.1/${POUR_PORT + 2}; printf '\\0\\0\\0\\0\\1\\0\\0\\0' >&3; sleep 0.3`;
    for (const { namespace } of places) namespace.run('sysctl', '-qw', 'net.ipv4.ip_local_port_range=40000 40000');
    await Promise.all(places.map((place) => run(place, ['bash', '-c', write])));
    for (const program of local) {
      await eventually('the end', () => program.output() !== '');
      assert.equal(program.output(), '8 right\n');
      await program.stop();
    }
    assert.equal(counted().stops[REDIRECTED], 2);
    for (const { namespace } of places) namespace.run('sysctl', '-qw', 'net.ipv4.ip_local_port_range=32768 60999');
  });

  it('are those of the connection that a socket has now, when it connects again', async () => {
    const counted = redirect.counting();
    const before = reader.output().length;
    const dial = `connect(S, pack_sockaddr_in(${POUR_PORT}, inet_aton("${redirect.host.ipv4}"))) or die $!`;
    const write = 'syswrite(S, "\\0\\0\\0\\0\\1\\0\\0\\0") == 8 or die $!; select(undef, undef, undef, 0.1);';
    const hangUp = 'connect(S, pack("S x14", 0)) or die $!';
    const twice = `use Socket; socket(S, AF_INET, SOCK_STREAM, 0); ${dial}; ${write} ${hangUp}; ${dial}; ${write}`;
    await run(redirect.client, ['perl', '-e', twice]);
    await eventually('both ends', () => reader.output().slice(before) === '8 right\n8 right\n');
    assert.equal(counted().stops[REDIRECTED], 2);
  });

  it('leave no entry behind', async () => {
    assert.equal(redirect.counting()().stops[IN_TCP], 0);
    await eventually('an empty map', () => redirect.dataplane.keys('redirect_ends').length === 0);
  });
});
