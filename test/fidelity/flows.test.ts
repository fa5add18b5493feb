/** Bytes and segments of flows against `ss -ti`, which reads the same connections while they are open. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { listening, type Program } from '../../deploy/lab/program.ts';
import { quiet } from '../../deploy/lab/wait.ts';
import { ssConnections } from '../support/counters.ts';
import { whyNot } from '../support/flowspan.ts';
import { done, startTalker } from '../support/talker.ts';
import { createWorld, type World } from '../support/world.ts';

/** One per IP version: two connections may have the same source port. */
const PORTS = { ipv4: 7000, ipv6: 7001 } as const;
const CONNECTIONS = 20;
/** Intervals that pass after the last segment, so that the snapshot that holds it has been stored. */
const SETTLE_MS = 2_500;

/** Columns of flows and the counter of ss that says the same. */
const COUNTERS = {
  bytes_sent: 'bytes_sent',
  bytes_acked: 'bytes_acked',
  bytes_received: 'bytes_received',
  bytes_retransmitted: 'bytes_retrans',
  segments_sent: 'segs_out',
  segments_received: 'segs_in',
  data_segments_sent: 'data_segs_out',
  data_segments_received: 'data_segs_in',
  retransmitted_segments: 'retrans_total',
  delivered_segments: 'delivered',
} as const;
const NAMES = Object.keys(COUNTERS) as (keyof typeof COUNTERS)[];
const POINTS = ['client', 'server'] as const;

describe('flow counters against ss -ti', { skip: whyNot() ?? false }, () => {
  let world: World;
  const programs: Program[] = [];

  before(async () => {
    world = await createWorld();
    const { client, server, serverAddress } = world;
    for (const port of Object.values(PORTS)) {
      programs.push(startTalker(server, 'tcp-echo', port));
      await listening(server.namespace, port);
    }
    const ends = [client, server].map(({ namespace }) => loseAtRandom(namespace, 0.01));
    const talkers = (['ipv4', 'ipv6'] as const).map((family) =>
      startTalker(client, 'tcp-talk', serverAddress[family], PORTS[family], CONNECTIONS / 2, 40, 20_000),
    );
    programs.push(...talkers);
    await Promise.all(talkers.map((talker) => done(talker)));
    for (const end of ends) end();
    const seen = async (): Promise<string> =>
      [client, server]
        .map(({ namespace }) => namespace.run('ss', '-tinOH').replaceAll(/(last\w+|rcv_\w+|ato):\S+/g, ''))
        .join();
    await quiet('the connections', seen, 1_000);
    // What is still on its way to the store comes with the next interval: two readings an interval apart agree.
    await quiet('the rows', async () => JSON.stringify(await Promise.all(POINTS.map(read))), SETTLE_MS);
  });

  const read = (point: (typeof POINTS)[number]) =>
    world.flowspan.query<Record<string, string> & { source_port: number; destination_port: number }>(
      `SELECT source_port, destination_port, ${NAMES.map((name) => `toString(sum(${name})) AS ${name}`).join(', ')} FROM flows
         WHERE netns = ${world[point].namespace.inode} AND observation_point = '${point}' AND destination_port IN (${Object.values(PORTS).join()}) AND protocol = 6
         GROUP BY source_port, destination_port ORDER BY ALL`,
    );

  after(async () => {
    await Promise.all(programs.map((program) => program.stop('SIGKILL')));
    await world?.end();
  });

  for (const point of POINTS) {
    it(`are the same for every connection, seen from the ${point}`, async () => {
      const rows = await read(point);
      const connections = ssConnections(world[point].namespace);
      assert.equal(connections.length, CONNECTIONS);
      const told = (source: number, destination: number): Record<string, number> => {
        const row = rows.find((one) => one.source_port === source && one.destination_port === destination);
        return Object.fromEntries(NAMES.map((name) => [name, Number(row?.[name])]));
      };
      for (const connection of connections) {
        const { localPort, peerPort } = connection;
        const [source, destination] = point === 'client' ? [localPort, peerPort] : [peerPort, localPort];
        const expected = Object.fromEntries(NAMES.map((name) => [name, connection.counter(COUNTERS[name])]));
        assert.deepEqual(told(source, destination), expected, `connection from port ${source}`);
      }
      const again = rows.reduce((sum, row) => sum + Number(row.retransmitted_segments), 0);
      assert.ok(again > 0, 'something was sent again');
    });
  }

  it('lost nothing', async () => {
    assert.deepEqual(await world.flowspan.losses(), []);
  });
});
