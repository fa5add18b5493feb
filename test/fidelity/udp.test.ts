/** Datagrams of UDP flows against nstat's UDP counters, both ends observed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { nstat } from '../support/counters.ts';
import { whyNot } from '../support/flowspan.ts';
import { done, startTalker } from '../support/talker.ts';
import { createWorld, type World } from '../support/world.ts';

const PORT = 7000;
const SOCKETS = 10;
const ROUNDS = 200;
const BYTES = 700;
/** Intervals that pass after the last datagram, so that the snapshot that holds it has been stored. */
const SETTLE_MS = 2_500;

describe('UDP flows against nstat', { skip: whyNot() ?? false }, () => {
  let world: World;
  const programs: Program[] = [];

  before(async () => {
    world = await createWorld();
    const { client, server, serverAddress } = world;
    programs.push(startTalker(server, 'udp-echo', PORT));
    await eventually('the echo', () => server.namespace.run('ss', '-ulnH', `sport = :${PORT}`) !== '');
    const talkers = [serverAddress.ipv4, serverAddress.ipv6].map((host) =>
      startTalker(client, 'udp-talk', host, PORT, SOCKETS, ROUNDS, BYTES),
    );
    programs.push(...talkers);
    await Promise.all(talkers.map((talker) => done(talker)));
    await sleep(SETTLE_MS);
    await world.flowspan.settled();
  });

  after(async () => {
    await Promise.all(programs.map((program) => program.stop('SIGKILL')));
    await world?.end();
  });

  for (const point of ['client', 'server'] as const) {
    it(`count the datagrams that the ${point} sent and received`, async () => {
      const { namespace } = world[point];
      const told = nstat(namespace);
      const [row] = await world.flowspan.query<Record<'sent' | 'received' | 'bytes' | 'flows' | 'source', string>>(
        `SELECT toString(sum(segments_sent)) AS sent, toString(sum(segments_received)) AS received,
           toString(sum(bytes_sent)) AS bytes, toString(uniqExact(source_address, source_port)) AS flows,
           toString(min(observation_point)) AS source
         FROM flows WHERE netns = ${namespace.inode} AND protocol = 17`,
      );
      const count = (name: string): number => (told[`Udp${name}`] ?? 0) + (told[`Udp6${name}`] ?? 0);
      assert.deepEqual(row, {
        sent: String(count('OutDatagrams')),
        received: String(count('InDatagrams')),
        bytes: String(2 * SOCKETS * ROUNDS * BYTES),
        flows: String(2 * SOCKETS),
        source: point,
      });
    });
  }

  it('lost nothing', async () => {
    assert.deepEqual(await world.flowspan.losses(), []);
  });
});
