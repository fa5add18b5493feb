/** A collector that is stopped, and one that is killed: what open connections did meanwhile is in their next row. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { listening, type Program, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { builtTestProgram } from '../native/build.ts';
import { type Flowspan, startFlowspan, whyNot } from '../support/flowspan.ts';

const PEER = fileURLToPath(new URL('restart_peer.ts', import.meta.url));
const PORTS = { transfer: 8080, requests: 8081, looksAway: 8082, twice: 8083 };
/** tcp_sock.bytes_received counts the peer's FIN as a byte. */
const FIN = 1;
/** Rows of a connection come once a second. */
const TWO_ROWS_MS = 2200;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('connections that outlive the collector', { skip: whyNot() ?? false }, () => {
  let cgroup: Cgroup;
  let flowspan: Flowspan;
  let client: Namespace;
  let server: Namespace;
  let sender: Program;
  let asker: Program;
  let idle: Program;
  let awayServer: Program;
  let twice: Program;
  const programs: Program[] = [];

  const peer = (namespace: Namespace, ...args: (string | number)[]): Program => {
    const program = start({ namespace, cgroup }, [process.execPath, PEER, ...args.map(String)]);
    programs.push(program);
    return program;
  };
  const said = (program: Program, what: RegExp) =>
    eventually(`${what}`, () => what.exec(program.output()) ?? undefined, 20_000);
  const asked = () => Number(/.*asked (\d+)/s.exec(asker.output())?.[1] ?? 0);
  const sum = async (columns: string, where: string) =>
    (await flowspan.query<Record<string, string>>(`SELECT ${columns} FROM flows WHERE protocol = 6 AND ${where}`))[0]!;

  /** Ends the collector, does something while nobody watches, and waits for the next one, which `flowspan up` would start. */
  async function end(signal: NodeJS.Signals, meanwhile: () => void | Promise<void> = () => {}): Promise<void> {
    const pid = flowspan.pid('collector');
    process.kill(pid, signal);
    await eventually('its end', () => flowspan.output().includes('collector ended') || signal === 'SIGTERM');
    await meanwhile();
    await eventually(
      'the next collector',
      async () => {
        try {
          return flowspan.pid('collector') !== pid && (await fetch(`${flowspan.collectorUrl}/readyz`)).ok;
        } catch {
          return false;
        }
      },
      20_000,
    );
  }

  before(async () => {
    cgroup = createCgroup();
    [client, server] = [createNamespace(), createNamespace()];
    const { b } = connect(client, server);
    peer(server, 'receive', PORTS.transfer);
    peer(server, 'answer', PORTS.requests);
    awayServer = peer(server, 'receive', PORTS.looksAway);
    peer(server, 'receive', PORTS.twice);
    for (const port of Object.values(PORTS)) await listening(server, port);
    // Other tests' connections are traced as well, and may have the same ports.
    const env = { FLOWSPAN_COLLECTOR_PIN_DIR: pinDirectory(), FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true' };
    flowspan = await startFlowspan({ cgroup, env });
    const endLoss = loseAtRandom(server, 0.02);
    sender = peer(client, 'send', b.ipv4, PORTS.transfer);
    asker = peer(client, 'ask', b.ipv4, PORTS.requests);
    idle = peer(client, 'send', b.ipv4, PORTS.looksAway);
    twice = start({ namespace: client, cgroup }, [builtTestProgram('reconnect'), b.ipv4, `${PORTS.twice}`]);
    programs.push(twice);
    await Promise.all([said(idle, /connected/), said(twice, /connected/)]);
    await pause(TWO_ROWS_MS);
    await end('SIGTERM', async () => {
      // The application sleeps while its connection is reset: its socket stays, and is closed.
      awayServer.process.kill('SIGSTOP');
      await pause(300);
      idle.process.kill('SIGUSR1');
      twice.process.kill('SIGUSR2');
      await Promise.all([said(idle, /reset/), said(twice, /connected\nconnected/)]);
    });
    await pause(TWO_ROWS_MS);
    await end('SIGKILL');
    const firstAsked = asked() + 2;
    await pause(TWO_ROWS_MS);
    endLoss();
    sender.process.kill('SIGUSR2');
    asker.process.kill('SIGUSR2');
    await Promise.all([said(sender, /sent \d+/), said(asker, /ended/)]);
    awayServer.process.kill('SIGCONT');
    await pause(TWO_ROWS_MS);
    await flowspan.settled();
    Object.assign(expected, { firstAsked, lastAsked: asked() });
  });
  const expected = { firstAsked: 0, lastAsked: 0 };

  after(async () => {
    for (const program of programs) await program.stop('SIGKILL');
    await flowspan?.stop();
    cgroup?.remove();
    client?.remove();
    server?.remove();
  });

  it('tells every byte of a transfer, at both ends, however the collector ended', async () => {
    const sent = Number((await said(sender, /sent (\d+)/))[1]);
    const of = `destination_port = ${PORTS.transfer}`;
    const atClient = await sum(
      'sum(bytes_sent - bytes_retransmitted) AS bytes',
      `observation_point = 'client' AND ${of}`,
    );
    const atServer = await sum('sum(bytes_received) AS bytes', `observation_point = 'server' AND ${of}`);
    assert.deepEqual([Number(atClient.bytes), Number(atServer.bytes)], [sent, sent + FIN]);
  });

  it('tells every segment that was sent again, as ss counts them', async () => {
    const [, before, again] = await said(sender, /retransmitted (\d+) (\d+)/);
    assert.equal(before, again, 'nothing was sent again while it was counted');
    const row = await sum(
      'sum(retransmitted_segments) AS segments',
      `observation_point = 'client' AND destination_port = ${PORTS.transfer}`,
    );
    assert.equal(Number(row.segments), Number(again));
    assert.ok(Number(again) > 20, `${again} segments`);
  });

  it('covers all of the time with rows, one after the other', async () => {
    const rows = await flowspan.query<{ covered: number; lived: number }>(
      `SELECT sum(duration_ns) / 1e9 AS covered, max(connection_age_ns) / 1e9 AS lived FROM flows
      WHERE destination_port = ${PORTS.transfer} AND protocol = 6 GROUP BY observation_point`,
    );
    assert.equal(rows.length, 2);
    // The client's first row also covers the handshake.
    for (const { covered, lived } of rows)
      assert.ok(covered >= lived - 0.001 && covered - lived < 3.5, `${covered} ${lived}`);
  });

  it('marks both gaps', async () => {
    const gaps = await flowspan.query<{ s: number }>(
      "SELECT duration_ns / 1e9 AS s FROM losses WHERE kind = 'all' AND reason = 'restart'",
    );
    assert.equal(gaps.length, 2);
    for (const { s } of gaps) assert.ok(s > 0.1 && s < 25, `${s} s`);
  });

  it('reads requests again on a connection that was kept', async () => {
    const { firstAsked, lastAsked } = expected;
    assert.ok(lastAsked - firstAsked > 10, `${firstAsked} to ${lastAsked}`);
    const rows = await flowspan.query<{ number: string; port: number }>(
      `SELECT toUInt32(substring(http_path, 2)) AS number, source_port AS port FROM requests
      WHERE observation_point = 'server' AND number BETWEEN ${firstAsked} AND ${lastAsked} ORDER BY number`,
    );
    assert.equal(rows.length, lastAsked - firstAsked + 1);
    const before = await flowspan.query<{ port: number }>(
      "SELECT DISTINCT source_port AS port FROM requests WHERE observation_point = 'server'",
    );
    assert.equal(before.length, 1, 'it is one connection');
  });

  it('tells the end of a connection that ended while nobody watched, as long as its socket is there', async () => {
    const rows = await flowspan.query<{ close_cause: string; bytes: string }>(
      `SELECT close_cause, bytes_received AS bytes FROM flows
      WHERE observation_point = 'server' AND destination_port = ${PORTS.looksAway} AND flow_state = 'closed'`,
    );
    assert.deepEqual(
      rows.map((row) => row.close_cause),
      ['other'],
    );
  });

  it('keeps two connections of one socket apart, of which the second began while nobody watched', async () => {
    const rows = await flowspan.query<{ generation: number; sockets: string }>(
      `SELECT generation, uniqExact(socket_cookie) OVER () AS sockets FROM flows
      WHERE observation_point = 'client' AND destination_port = ${PORTS.twice} GROUP BY generation, socket_cookie
      ORDER BY generation`,
    );
    assert.deepEqual(
      rows.map(({ generation, sockets }) => [generation, Number(sockets)]),
      [
        [0, 1],
        [1, 1],
      ],
    );
  });
});
