/** With a watched cgroup: of a connection whose other end is a socket outside of it, only the end inside is told. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { listening, type Place, type Program, run, start } from '../../deploy/lab/program.ts';
import { PORT, PORT_SEEN, peerCommand } from './scene.ts';
import { type Seen, Watcher } from './watcher.ts';

const told = (records: readonly Seen[]): (string | bigint | undefined)[] => [
  ...new Set(records.map((record) => record.event_kind ?? record.flow_state)),
];

describe('a watched cgroup', () => {
  const [inside, outside] = [createNamespace(), createNamespace()];
  const pair = connect(inside, outside);
  const cgroups: Cgroup[] = [];
  const programs: Program[] = [];
  let watcher: Watcher;
  let within: Place;
  let without: Place;

  before(async () => {
    const watched = createCgroup();
    const pod = createCgroup(watched.path, 'pod');
    const beside = createCgroup();
    cgroups.push(watched, beside);
    within = { namespace: inside, cgroup: createCgroup(pod.path, 'container') };
    without = { namespace: outside, cgroup: beside };
    for (const place of [within, without]) {
      programs.push(start(place, peerCommand('serve', PORT, 8)));
      await listening(place.namespace!, PORT);
    }
    // Connections that are older than the watcher, one to each server.
    programs.push(start(within, peerCommand('say', pair.b.ipv4, PORT, 'hold', 8)));
    programs.push(start(without, peerCommand('say', pair.a.ipv4, PORT, 'hold', 8)));
    await sleep(700);
    watcher = new Watcher(watched, { knobs: { watched_cgroup_id: watched.id } });
    watcher.adopt();
    watcher.snapshot();
  });
  after(async () => {
    watcher?.close();
    await Promise.all(programs.map((each) => each.stop()));
    for (const each of cgroups) each.remove();
    for (const each of [inside, outside]) each.remove();
  });

  /** What has been told of sockets in a namespace, records of packets left out that belong to no socket. */
  const of = (netns: number, like: Seen = {}): Seen[] => watcher.seen({ netns: BigInt(netns), ...like });

  it('lets older connections be found, those inside', () => {
    const ports = of(inside.inode).map(({ observation_point }) => observation_point);
    assert.deepEqual(ports.toSorted(), ['client', 'server']);
    assert.deepEqual(of(outside.inode), []);
  });

  for (const [point, place, address] of [
    ['client', () => within, pair.b.ipv4],
    ['server', () => without, pair.a.ipv4],
  ] as const) {
    it(`lets the ${point}'s end of connections be told, and of resets`, async () => {
      await run(place(), peerCommand('say', address, PORT, 'echo', 100));
      await run(place(), peerCommand('say', address, PORT, 'reset', 100));
      const like = { netns: BigInt(inside.inode), observation_point: point, destination_port: PORT_SEEN };
      await watcher.wait({ ...like, flow_state: 'closed' }, 2);
      const kinds = told(of(inside.inode, { observation_point: point }));
      for (const kind of ['opened', 'closed', point === 'client' ? 'reset_received' : 'reset_sent'])
        assert.ok(kinds.includes(kind), `${kind} among ${kinds}`);
    });
  }

  it('lets retransmits inside be told', async () => {
    const rule = ['PREROUTING', '-p', 'tcp', '--tcp-flags', 'SYN', 'SYN', '-j', 'DROP'];
    for (const namespace of [inside, outside]) namespace.run('iptables', '-t', 'raw', '-A', ...rule);
    for (const [place, address] of [
      [within, pair.b.ipv4],
      [without, pair.a.ipv4],
    ] as const) {
      programs.push(start(place, peerCommand('say', address, PORT, 'echo', 5)));
    }
    await watcher.wait({ event_kind: 'retransmit', netns: BigInt(inside.inode) });
    await sleep(1500);
  });

  it('lets nothing outside be told, and counts nothing of it as lost', () => {
    assert.deepEqual(told(of(outside.inode)), []);
    assert.equal(watcher.discarded('socket_storage'), 0n);
  });
});
