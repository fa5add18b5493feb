/** What goes wrong on connections, as the kernel side tells it, beside what nstat counts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loseFirstWith } from '../../deploy/lab/loss.ts';
import type { Namespace } from '../../deploy/lab/namespace.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { nstat } from '../support/counters.ts';
import { createScene, PORT, PORT_SEEN, type Scene } from './scene.ts';
import type { Seen } from './watcher.ts';

const RETRANSMIT = { event_kind: 'retransmit', destination_port: PORT_SEEN };

/** Drops what matches on its way into the namespace until the returned function is called. */
function drop(namespace: Namespace, ...match: string[]): () => void {
  const rule = ['PREROUTING', '-p', 'tcp', ...match, '-j', 'DROP'];
  namespace.run('iptables', '-t', 'raw', '-A', ...rule);
  return () => void namespace.run('iptables', '-t', 'raw', '-D', ...rule);
}

const FIRST = ['-m', 'statistic', '--mode', 'nth', '--every', '2147483647', '--packet', '0'];

describe('TCP events', () => {
  let scene: Scene;
  before(async () => {
    scene = await createScene();
  });
  after(() => scene.end());

  const say = (...args: (string | number)[]): Promise<string> => scene.peer('say', scene.address.ipv4, PORT, ...args);

  it('tells a SYN that was sent again', async () => {
    const end = drop(scene.server.namespace, '--tcp-flags', 'SYN,ACK', 'SYN', ...FIRST);
    await Promise.all([say('echo', 5), sleep(1500)]);
    end();
    const [event] = await scene.watcher.wait({ ...RETRANSMIT, retransmit_cause: 'syn' });
    assert.deepEqual(
      [event?.sent_by, event?.segments, event?.source_address],
      ['client', 1n, scene.clientAddress.ipv4],
    );
  });

  it('tells a SYN-ACK that was sent again', async () => {
    const end = drop(scene.client.namespace, '--tcp-flags', 'SYN,ACK', 'SYN,ACK', ...FIRST);
    await Promise.all([say('echo', 5), sleep(2500)]);
    end();
    const [event] = await scene.watcher.wait({ ...RETRANSMIT, retransmit_cause: 'syn_ack' });
    assert.deepEqual([event?.sent_by, event?.segments, event?.destination_address], ['server', 1n, scene.address.ipv4]);
    assert.equal(event?.connection_age_ns, 0n, 'there is no connection yet');
  });

  it('tells a tail loss probe from a timeout', async () => {
    const end = drop(scene.server.namespace, '--dport', `${PORT}`, '-m', 'length', '--length', '1000:65535');
    const losing = scene.startPeer('say', scene.address.ipv4, PORT, 'hold', 1200);
    // The machine may have other connections to such a port, in namespaces of others.
    const ours = { ...RETRANSMIT, netns: BigInt(scene.client.namespace.inode) };
    const probes = await scene.watcher.wait({ ...ours, retransmit_cause: 'tail_loss_probe' });
    const timeouts = await scene.watcher.wait({ ...ours, retransmit_cause: 'timeout' });
    end();
    await losing.stop();
    assert.equal(probes[0]?.socket_cookie, timeouts[0]?.socket_cookie);
    const [row] = await scene.watcher.wait({ flow_state: 'closed', socket_cookie: probes[0]?.socket_cookie ?? 0n });
    const ofCause = (retransmit_cause: string): bigint =>
      BigInt(scene.watcher.seen({ ...RETRANSMIT, retransmit_cause, socket_cookie: row?.socket_cookie ?? 0n }).length);
    const opened = (told?: Seen) => Number(told?.time_boot_ns) - Number(told?.connection_age_ns);
    assert.deepEqual([probes[0], timeouts[0]].map(opened), [opened(row), opened(row)], 'of one connection');
    assert.equal(row?.tail_loss_probes, ofCause('tail_loss_probe'));
    assert.equal(row?.timeouts, ofCause('timeout'));
  });

  it('tells fast retransmits with their sequence range', async () => {
    loseFirstWith(scene.server.namespace, 'echo....................');
    await say('echo', 400_000);
    const events = await scene.watcher.wait({ ...RETRANSMIT, retransmit_cause: 'fast' });
    for (const event of events) assert.ok((Number(event.sequence_end) - Number(event.sequence_begin)) >>> 0 > 0);
  });

  it('adds up to TcpRetransSegs', async () => {
    await sleep(300);
    for (const [place, side] of [
      [scene.client, 'client'],
      [scene.server, 'server'],
    ] as const) {
      const events = scene.watcher.seen({
        event_kind: 'retransmit',
        sent_by: side,
        netns: BigInt(place.namespace.inode),
      });
      assert.equal(
        events.reduce((sum, event) => sum + Number(event.segments), 0),
        nstat(place.namespace).TcpRetransSegs,
        side,
      );
    }
  });

  it('tells a closed receive window and how long it was', async () => {
    await say('stall', 24_000_000);
    const row = await eventually('the row of the stalled connection', () =>
      scene.watcher
        .seen({ flow_state: 'closed', observation_point: 'client', destination_port: PORT_SEEN })
        .find((candidate) => Number(candidate.bytes_sent) >= 24_000_000),
    );
    const stalls = scene.watcher.seen({ event_kind: 'zero_window', socket_cookie: row?.socket_cookie ?? 0n });
    assert.ok(stalls.length > 0 && stalls.length <= Number(row?.zero_windows));
    for (const stall of stalls) {
      assert.deepEqual([stall.observation_point, stall.sent_by], ['client', 'server']);
      assert.ok(Number(stall.latency_ns) >= 1e6);
    }
    const stalledNs = stalls.reduce((sum, stall) => sum + Number(stall.latency_ns), 0);
    assert.ok(stalledNs > 5e8 && stalledNs < Number(row?.connection_age_ns), `${stalledNs} ns`);
    assert.ok(Number(row?.rwnd_limited_us) > 100_000);
  });

  it('tells what a full accept queue dropped, as often as the kernel counts it', async () => {
    const peer = new URL('peer.ts', import.meta.url).pathname;
    const deaf = start(scene.server, [process.execPath, peer, 'deaf', '8081', '3', '4000']);
    await sleep(700);
    await scene.peer('crowd', scene.address.ipv4, 8081, 12, 1500);
    const overflows = nstat(scene.server.namespace).TcpExtListenOverflows ?? 0;
    assert.ok(overflows > 0);
    const events = await scene.watcher.wait({ event_kind: 'accept_overflow', destination_port: 8081n }, overflows);
    assert.equal(events.length, nstat(scene.server.namespace).TcpExtListenOverflows);
    assert.equal(events[0]?.source_address, scene.clientAddress.ipv4);
    await deaf.stop();
  });
});
