/** Retransmitted segments over all events against nstat's TcpRetransSegs, under random loss, both ends observed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loseAtRandom, refuseToSend } from '../../deploy/lab/loss.ts';
import type { Namespace } from '../../deploy/lab/namespace.ts';
import { run } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { isAllAcknowledged, nstat } from '../support/counters.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { type WithheldCalls, witnessWithheldCalls } from '../support/withheld.ts';
import { createWorld, type World } from '../support/world.ts';
import { runWrk } from '../support/wrk.ts';

/** Rounds of load; each begins loss and returns what ends it. */
const ROUNDS: readonly { name: string; begin: (world: World) => () => void }[] = [
  { name: '1 % lost each way', begin: (world) => both(world, 0.01) },
  { name: '5 % lost each way', begin: (world) => both(world, 0.05) },
  { name: '5 % that the server could not send', begin: (world) => refuseToSend(world.server.namespace, 0.05) },
];

/** Most segments of one call: a GSO packet of 64 KiB in segments of 1,448 bytes. */
const MOST_SEGMENTS = 46;

function both(world: World, share: number): () => void {
  const ends = [world.client, world.server].map(({ namespace }) => loseAtRandom(namespace, share));
  return () => {
    for (const end of ends) end();
  };
}

describe('retransmitted segments against nstat', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;
  let withheld: WithheldCalls;

  before(async () => {
    world = await createWorld();
    nginx = await startNginx(world.server);
    const tracepoints = ['tcp_retransmit_skb', 'tcp_retransmit_synack'];
    withheld = await witnessWithheldCalls(world.flowspan.pid('collector'), tracepoints);
  });

  after(async () => {
    await withheld?.end();
    await nginx?.stop();
    await world?.end();
  });

  async function load(label: string): Promise<void> {
    const { ipv4, ipv6 } = world.serverAddress;
    const files = [ipv4, `[${ipv6}]`].map((host) =>
      run(world.client, [
        'curl',
        '-s',
        '-o',
        '/dev/null',
        '-m',
        '40',
        ...Array(5).fill(`http://${host}/static/1000000.txt`),
      ]),
    );
    const connections = { threads: 40, requestsPerThread: 15, close: true };
    await runWrk(world.client, { url: `http://${ipv4}`, label, ...connections }, () => nginx.answered(`/r/${label}/`));
    await Promise.all(files);
  }

  /** Both namespaces' counters once no connection sends anything again. */
  async function counters(): Promise<Record<string, number>[]> {
    const namespaces = [world.client.namespace, world.server.namespace];
    await eventually('every segment to be acknowledged', () => namespaces.every(isAllAcknowledged), 60_000);
    return namespaces.map(nstat);
  }

  async function segments(namespace: Namespace, where = '1'): Promise<number> {
    const [row] = await world.flowspan.query<{ segments: string }>(
      `SELECT toString(sum(segments)) AS segments FROM tcp_events
       WHERE netns = ${namespace.inode} AND event_kind = 'retransmit' AND ${where}`,
    );
    return Number(row?.segments);
  }

  for (const [index, { name, begin }] of ROUNDS.entries()) {
    it(`are the same with ${name}`, async () => {
      const end = begin(world);
      await load(`loss${index}`);
      end();
      const [client, server] = await counters();
      await world.flowspan.settled();
      // What our programs were not called for is known to be missing, and nothing else is.
      const unseen = await withheld.count();
      for (const [side, told] of [
        ['client', client],
        ['server', server],
      ] as const) {
        const { namespace } = world[side];
        const all = (told?.TcpRetransSegs ?? 0) - (await segments(namespace));
        const opening =
          (told?.TcpExtTCPSynRetrans ?? 0) - (await segments(namespace, "retransmit_cause IN ('syn', 'syn_ack')"));
        const of = `missing of the ${side}; ${unseen} calls were withheld`;
        assert.ok(all >= 0 && all <= unseen * MOST_SEGMENTS, `${all} segments sent again are ${of}`);
        assert.ok(opening >= 0 && opening <= unseen, `${opening} SYNs and SYN-ACKs sent again are ${of}`);
      }
      assert.ok(
        (client?.TcpExtTCPSynRetrans ?? 0) > 0 && (server?.TcpRetransSegs ?? 0) > 0,
        'something was sent again',
      );
      // Of requests, there may be more bytes out of order than are kept.
      assert.deepEqual(
        (await world.flowspan.losses()).filter((line) => line.startsWith('tcp_event ')),
        [],
      );
    });
  }
});
