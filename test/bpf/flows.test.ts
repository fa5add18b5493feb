/** The life of connections as the kernel side tells it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { done, startTalker } from '../support/talker.ts';
import { createScene, PORT, PORT_SEEN, type Scene } from './scene.ts';

const CLOSED = { flow_state: 'closed', destination_port: PORT_SEEN };

describe('flow records', () => {
  let scene: Scene;
  before(async () => {
    scene = await createScene();
  });
  after(() => scene.end());

  /** Final rows of both ends of the connection that `act` makes, client's first. */
  async function finalRows(act: () => Promise<unknown>): ReturnType<Scene['watcher']['wait']> {
    const already = scene.watcher.seen(CLOSED).length;
    await act();
    const rows = (await scene.watcher.wait(CLOSED, already + 2)).slice(already);
    return rows.sort((a, b) => `${a.observation_point}`.localeCompare(`${b.observation_point}`));
  }

  it('tells both ends of a connection with equal ends and mirrored counters', async () => {
    const [client, server] = await finalRows(() => scene.peer('say', scene.address.ipv4, PORT, 'echo', 1000));
    assert.equal(client?.observation_point, 'client');
    assert.equal(server?.observation_point, 'server');
    for (const name of ['source_address', 'destination_address', 'source_port', 'destination_port'] as const) {
      assert.equal(client[name], server[name], name);
    }
    for (const name of ['source_sequence_begin', 'destination_sequence_begin'] as const) {
      assert.equal(client[name], server[name], name);
      assert.notEqual(client[name], 0n);
    }
    assert.equal(client.source_address, scene.clientAddress.ipv4);
    assert.equal(client.destination_address, scene.address.ipv4);
    assert.equal(client.ip_version, 4n);
    assert.deepEqual([client.traffic_direction, server.traffic_direction], ['egress', 'ingress']);
    assert.deepEqual([client.bytes_sent, server.bytes_sent], [1000n, 1000n]);
    assert.equal(server.command, readFileSync(`/proc/${scene.serverPid}/comm`, 'utf8').trim());
    assert.equal(server.pid, BigInt(scene.serverPid));
    assert.equal(client.netns, BigInt(scene.client.namespace.inode));
    assert.equal(server.netns, BigInt(scene.server.namespace.inode));
    assert.equal(server.socket_cgroup_id, scene.cgroup.id);
    assert.equal(client.owner_cgroup_id, scene.cgroup.id);
    assert.ok(Number(client.connect_ns) > 0 && Number(client.connect_ns) <= Number(client.connection_age_ns));
    assert.equal(scene.watcher.seen({ flow_state: 'opened', destination_port: PORT_SEEN }).length, 2);
  });

  it('speaks IPv6, and IPv4 on a socket for both', async () => {
    const [client] = await finalRows(() => scene.peer('say', scene.address.ipv6, PORT, 'echo', 10));
    assert.equal(client?.ip_version, 6n);
  });

  it('names who closed first, and a reset', async () => {
    const byClient = await finalRows(() => scene.peer('say', scene.address.ipv4, PORT, 'echo', 5));
    const byServer = await finalRows(() => scene.peer('say', scene.address.ipv4, PORT, 'close', 5));
    const reset = await finalRows(() => scene.peer('say', scene.address.ipv4, PORT, 'reset', 5));
    const told = (rows: Awaited<ReturnType<typeof finalRows>>): unknown[] =>
      rows.map((row) => [row.close_cause, row.closed_by]);
    assert.deepEqual(told(byClient), [
      ['fin', 'client'],
      ['fin', 'client'],
    ]);
    assert.deepEqual(told(byServer), [
      ['fin', 'server'],
      ['fin', 'server'],
    ]);
    assert.deepEqual(told(reset), [
      ['reset', 'server'],
      ['reset', 'server'],
    ]);
    assert.equal(reset[0]?.error_number, 104n);
    const [received] = await scene.watcher.wait({ event_kind: 'reset_received', destination_port: PORT_SEEN });
    assert.deepEqual([received?.sent_by, received?.observation_point], ['server', 'client']);
    const [sent] = await scene.watcher.wait({ event_kind: 'reset_sent', destination_port: PORT_SEEN });
    assert.equal(sent?.sent_by, 'server');
    assert.notEqual(sent?.reset_reason, 0n);
  });

  it('tells a refused connect with errno, latency and a reset without a socket', async () => {
    assert.match(await scene.peer('refuse', scene.address.ipv4, 9), /ECONNREFUSED/);
    const [failed] = await scene.watcher.wait({ event_kind: 'connect_failed', destination_port: 9n });
    assert.deepEqual([failed?.error_number, failed?.sent_by], [111n, 'client']);
    assert.ok(Number(failed?.latency_ns) > 0);
    assert.equal(failed?.connection_age_ns, failed?.latency_ns);
    const [row] = await scene.watcher.wait({ flow_state: 'closed', destination_port: 9n });
    assert.deepEqual([row?.close_cause, row?.closed_by, row?.source_port], ['refused', 'server', failed?.source_port]);
    const [drop] = await scene.watcher.wait({ event_kind: 'drop', destination_port: 9n });
    assert.equal(drop?.verdict, 'dropped');
    const [unanswered] = await scene.watcher.wait({
      event_kind: 'reset_sent',
      destination_port: 9n,
      socket_cookie: 0n,
    });
    assert.equal(unanswered?.connection_age_ns, 0n);
  });

  it('splits counters between intervals without a hole or an overlap', async () => {
    const talker = startTalker(scene.client, 'tcp-talk', scene.address.ipv4, PORT, 1, 1, 3000);
    const [opened] = await scene.watcher.wait({
      flow_state: 'opened',
      observation_point: 'client',
      pid: BigInt(talker.pid),
    });
    await sleep(300);
    scene.watcher.snapshot();
    await sleep(100);
    scene.watcher.snapshot();
    await talker.stop();
    const like = { socket_cookie: opened?.socket_cookie ?? 0n };
    await scene.watcher.wait({ ...like, flow_state: 'closed' });
    const rows = scene.watcher.seen(like).filter((row) => row.flow_state !== undefined);
    assert.deepEqual(
      rows.map((row) => row.interval_index),
      [0n, 1n, 2n, 3n],
    );
    assert.deepEqual(
      rows.map((row) => row.flow_state),
      ['opened', 'active', 'active', 'closed'],
    );
    assert.equal(
      rows.reduce((sum, row) => sum + Number(row.bytes_sent), 0),
      3000,
    );
    const last = rows.at(-1);
    assert.equal(
      rows.reduce((sum, row) => sum + Number(row.duration_ns), 0),
      Number(last?.connection_age_ns) + Number(last?.connect_ns),
    );
  });

  it('counts UDP per socket and peer', async () => {
    const echo = startTalker(scene.server, 'udp-echo', 5353);
    await sleep(300);
    const talker = startTalker(scene.client, 'udp-talk', scene.address.ipv4, 5353, 1, 7, 100);
    await done(talker);
    scene.watcher.snapshot();
    const rows = await scene.watcher.wait({ protocol: 17n, destination_port: 5353n }, 2);
    for (const row of rows) {
      assert.deepEqual(
        [row.bytes_sent, row.bytes_received, row.segments_sent, row.segments_received],
        [700n, 700n, 7n, 7n],
      );
    }
    assert.deepEqual(rows.map((row) => row.observation_point).sort(), ['client', 'server']);
    assert.equal(rows.find((row) => row.observation_point === 'server')?.pid, BigInt(echo.pid));
    await talker.stop();
    await echo.stop();
  });

  it('counts before it writes', () => {
    const flows = scene.watcher.seen({}).filter((row) => row.flow_state !== undefined).length;
    assert.equal(scene.watcher.counted('flow').wanted - scene.watcher.counted('flow').lost, BigInt(flows));
  });
});

describe('connections older than the watcher', () => {
  it('appear with role, owner and the bytes from then on', async () => {
    let talker: ReturnType<Scene['startPeer']> | undefined;
    const scene = await createScene(async (early) => {
      talker = startTalker(early.client, 'tcp-talk', early.address.ipv4, PORT, 2, 1, 50);
      await sleep(700);
    });
    try {
      scene.watcher.adopt();
      scene.watcher.snapshot();
      // The machine may have other connections to such a port, in namespaces of others.
      const active = ({ namespace }: { namespace: { inode: number } }) =>
        scene.watcher.wait({ flow_state: 'active', destination_port: PORT_SEEN, netns: BigInt(namespace.inode) }, 2);
      const rows = [...(await active(scene.client)), ...(await active(scene.server))];
      assert.deepEqual(rows.map((row) => row.observation_point).sort(), ['client', 'client', 'server', 'server']);
      for (const row of rows) assert.equal(row.bytes_sent, 0n);
      const begins = rows.map((row) => `${row.source_sequence_begin} ${row.destination_sequence_begin}`);
      assert.deepEqual(new Set(begins).size, 2, 'two connections, each called alike at both ends');
      const server = rows.find((row) => row.observation_point === 'server');
      assert.deepEqual([server?.initiator_known, server?.pid], [1n, BigInt(scene.serverPid)]);
      const client = rows.find((row) => row.observation_point === 'client');
      const comm = readFileSync(`/proc/${talker?.pid}/comm`, 'utf8').trim();
      assert.deepEqual([client?.command, client?.pid], [comm, BigInt(talker?.pid ?? 0)]);
    } finally {
      await talker?.stop();
      await scene.end();
    }
  });
});
