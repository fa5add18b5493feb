/** Every fact that the kernel side discards moves a counter; what is lost to a full ring is carried by later rows. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening } from '../../deploy/lab/program.ts';
import { done, startTalker } from '../support/talker.ts';
import { createScene, type Scene } from './scene.ts';
import { Watcher } from './watcher.ts';

const ECHO_PORT = 8082;

describe('discards', () => {
  let scene: Scene;
  let watcher: Watcher;
  before(async () => {
    scene = await createScene();
    scene.watcher.close();
    watcher = new Watcher(scene.cgroup, {
      knobs: { drop_events_per_second: 2 },
      // Room for a row of every socket that this machine may have, so that one look after a drain loses none.
      mapEntries: { records: 1024 ** 2, udp_flows: 4 },
    });
  });
  after(async () => {
    watcher.close();
    await scene.end();
  });

  it('counts drops beyond the rate that is told one by one', async () => {
    for (let port = 20; port < 30; port += 1) await scene.peer('refuse', scene.address.ipv4, port);
    const told = watcher.seen({ event_kind: 'drop' }).length;
    await scene.peer('crowd', scene.address.ipv4, 19, 60, 300);
    assert.ok(watcher.discarded('drop_event_limit') > 0n);
    assert.ok(watcher.seen({ event_kind: 'drop' }).length - told <= 8);
  });

  it('counts UDP flows for which there was no room', async () => {
    const echo = startTalker(scene.server, 'udp-echo', 5353);
    await sleep(300);
    const talker = startTalker(scene.client, 'udp-talk', scene.address.ipv4, 5353, 10, 2, 10);
    await done(talker);
    assert.ok(watcher.discarded('udp_flows_full') > 0n);
    await talker.stop();
    await echo.stop();
  });

  it('loses rows to a full ring, says how many, and no byte', async () => {
    const already = watcher.counted('flow');
    watcher.seen({});
    const echo = startTalker(scene.server, 'tcp-echo', ECHO_PORT);
    await listening(scene.server.namespace, ECHO_PORT);
    const talker = startTalker(scene.client, 'tcp-talk', scene.address.ipv4, ECHO_PORT, 3, 5, 1000);
    await done(talker);
    const lost = (): bigint => watcher.counted('flow').lost - already.lost;
    for (let round = 0; round < 2_000 && lost() === 0n; round += 1) watcher.snapshot();
    assert.ok(lost() > 0n);
    watcher.seen({});
    watcher.snapshot();
    const rows = await watcher.wait({ pid: BigInt(talker.pid), destination_port: BigInt(ECHO_PORT) });
    const sent = rows
      .filter((row) => row.flow_state !== undefined)
      .reduce((sum, row) => sum + Number(row.bytes_sent), 0);
    assert.equal(sent, 15_000);
    await talker.stop();
    await echo.stop();
  });
});
