/** Whose address the other end of a connection has: stamped once, when it begins, on all that is told of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { addressTableOf } from '../../collector/src/attach/address_table.ts';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { listening } from '../../deploy/lab/program.ts';
import { done, startTalker } from '../support/talker.ts';
import { ask, serve } from './http/scripted.ts';
import { createScene, PORT, PORT_SEEN, type Scene } from './scene.ts';
import type { Seen } from './watcher.ts';

/** Larger than a number can say exactly. */
const SERVER_ID = 0xfedc_ba98_7654_3211n;
const CLIENT_ID = 0x8000_0000_0000_0001n;
const NEXT_ID = 3n;
const FILLED = addressTableOf(64);
const HTTP_PORT = 8090;
const UDP_PORT = 5353;

/** What each observed end says of its other end. */
const peersOf = (records: readonly Seen[]) =>
  Object.fromEntries(['client', 'server'].map((point) => [point, new Set(ofEnd(records, point))]));
const ofEnd = (records: readonly Seen[], point: string) =>
  records.filter(({ observation_point }) => observation_point === point).map((record) => record.peer_endpoint_id);
const both = (client: bigint, server: bigint) => ({ client: new Set([client]), server: new Set([server]) });

describe('the endpoint of the other end', () => {
  let scene: Scene;
  before(async () => {
    scene = await createScene(undefined, FILLED);
    scene.watcher.own(scene.address.ipv4, SERVER_ID);
    scene.watcher.own(scene.clientAddress.ipv4, CLIENT_ID);
  });
  after(() => scene.end());

  it('is on all records of a connection: its flows, its requests, its reset', async () => {
    const server = serve(scene.server, HTTP_PORT, [
      ['until', '\r\n\r\n'],
      ['send', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
      ['wait', 200],
      ['reset'],
    ]);
    await listening(scene.server.namespace, HTTP_PORT);
    const asked = ask(scene.client, scene.address.ipv4, HTTP_PORT, [
      ['send', 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n'],
      ['until', 'ok'],
      ['wait', 400],
    ]);
    await sleep(100);
    scene.watcher.snapshot();
    await asked;
    const of = { destination_port: BigInt(HTTP_PORT) };
    await scene.watcher.wait({ ...of, flow_state: 'closed' }, 2);
    await scene.watcher.wait({ ...of, http_status_code: 200n }, 2);
    await scene.watcher.wait({ ...of, event_kind: 'reset_received' });
    assert.deepEqual(peersOf(scene.watcher.seen(of)), both(SERVER_ID, CLIENT_ID));
    await server.stop();
  });

  it('is not known of an address that nobody has', async () => {
    await scene.peer('say', scene.address.ipv6, PORT, 'echo', 10);
    const rows = await scene.watcher.wait({ flow_state: 'closed', ip_version: 6n, destination_port: PORT_SEEN }, 2);
    assert.deepEqual(peersOf(rows), both(0n, 0n));
    scene.watcher.own(scene.address.ipv6, NEXT_ID);
    await scene.peer('say', scene.address.ipv6, PORT, 'echo', 10);
    const later = await scene.watcher.wait({ flow_state: 'closed', ip_version: 6n, destination_port: PORT_SEEN }, 4);
    assert.deepEqual(peersOf(later.slice(2)), both(NEXT_ID, 0n));
  });

  it('of a connect that fails is whoever has that address', async () => {
    await scene.peer('refuse', scene.address.ipv4, 9);
    const [failed] = await scene.watcher.wait({ event_kind: 'connect_failed', destination_port: 9n });
    assert.equal(failed?.peer_endpoint_id, SERVER_ID);
  });

  it('stays who it was when the connection began, for TCP and UDP', async () => {
    const echo = startTalker(scene.server, 'udp-echo', UDP_PORT);
    await sleep(300);
    const talk = async () => {
      const tcp = startTalker(scene.client, 'tcp-talk', scene.address.ipv4, PORT, 1, 1, 50);
      const udp = startTalker(scene.client, 'udp-talk', scene.address.ipv4, UDP_PORT, 1, 3, 10);
      await Promise.all([done(tcp), done(udp)]);
      scene.watcher.snapshot();
      return [tcp, udp];
    };
    /** Rows of the connections that these talkers made, both ends'. */
    const rowsOf = (pids: readonly bigint[]) => {
      const rows = scene.watcher.seen({}).filter((row) => row.flow_state !== undefined);
      const ports = rows.filter(({ pid }) => pids.includes(pid as bigint)).map(({ source_port }) => source_port);
      return rows.filter(({ source_port }) => ports.includes(source_port as bigint));
    };
    const first = await talk();
    scene.watcher.own(scene.address.ipv4, NEXT_ID);
    scene.watcher.own(scene.clientAddress.ipv4);
    const second = await talk();
    for (const talker of [...first, ...second]) await talker.stop();
    await echo.stop();
    scene.watcher.snapshot();
    const pids = (talkers: typeof first) => talkers.map(({ pid }) => BigInt(pid));
    for (const protocol of [6n, 17n]) {
      const of = (talkers: typeof first) => rowsOf(pids(talkers)).filter((row) => row.protocol === protocol);
      assert.ok(of(first).length >= 2, `rows of protocol ${protocol}`);
      assert.deepEqual(peersOf(of(first)), both(SERVER_ID, CLIENT_ID), `before, protocol ${protocol}`);
      assert.deepEqual(peersOf(of(second)), both(NEXT_ID, 0n), `after, protocol ${protocol}`);
    }
  });
});

describe('the endpoint of the other end of older connections', () => {
  it('is who has the address when they are found', async () => {
    let talker: ReturnType<Scene['startPeer']> | undefined;
    const scene = await createScene(async (early) => {
      talker = startTalker(early.client, 'tcp-talk', early.address.ipv4, PORT, 1, 1, 50);
      await done(talker);
    }, FILLED);
    try {
      scene.watcher.own(scene.address.ipv4, SERVER_ID);
      scene.watcher.own(scene.clientAddress.ipv4, CLIENT_ID);
      scene.watcher.adopt();
      scene.watcher.snapshot();
      const active = ({ namespace }: { namespace: { inode: number } }) =>
        scene.watcher.wait({ flow_state: 'active', destination_port: PORT_SEEN, netns: BigInt(namespace.inode) });
      const rows = [...(await active(scene.client)), ...(await active(scene.server))];
      assert.deepEqual(peersOf(rows), both(SERVER_ID, CLIENT_ID));
    } finally {
      await talker?.stop();
      await scene.end();
    }
  });

  it('is never asked for where addresses are not known', async () => {
    const scene = await createScene(undefined, { ...FILLED, knobs: { address_slots: 32 } });
    try {
      // Too few slots for a table: every search would begin at the first.
      const slot = Buffer.alloc(24);
      slot.set(addressBytes(scene.address.ipv4));
      slot.writeBigUInt64LE(SERVER_ID, 16);
      scene.watcher.map('address_table').update(Buffer.alloc(4), slot);
      await scene.peer('say', scene.address.ipv4, PORT, 'echo', 10);
      const rows = await scene.watcher.wait({ flow_state: 'closed', destination_port: PORT_SEEN }, 2);
      assert.deepEqual(peersOf(rows), both(0n, 0n));
    } finally {
      await scene.end();
    }
  });
});
