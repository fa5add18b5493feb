/** Connections, failed connects and resets against nstat's counters and a packet filter's count. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Program } from '../../deploy/lab/program.ts';
import { quiet } from '../../deploy/lab/wait.ts';
import { countResetsReceived, nstat } from '../support/counters.ts';
import { whyNot } from '../support/flowspan.ts';
import { runTalker, startTalker } from '../support/talker.ts';
import { createWorld, type World } from '../support/world.ts';

const PORT = 7000;
const CLOSED_PORT = 7001;
const CLOSED = 200;
const RESET = 100;
const REFUSED = 50;

describe('connections and resets against nstat', { skip: whyNot() ?? false }, () => {
  let world: World;
  let echo: Program;
  let resetsReceived: Record<'client' | 'server', () => number>;

  before(async () => {
    world = await createWorld();
    const { client, server, serverAddress, flowspan } = world;
    resetsReceived = {
      client: countResetsReceived(client.namespace),
      server: countResetsReceived(server.namespace),
    };
    echo = startTalker(server, 'tcp-echo', PORT);
    await listening(server.namespace, PORT);
    for (const host of [serverAddress.ipv4, serverAddress.ipv6]) {
      await runTalker(client, 'tcp-connect', host, PORT, CLOSED);
      await runTalker(client, 'tcp-reset', host, PORT, RESET);
      const refused = await runTalker(client, 'tcp-connect', host, CLOSED_PORT, REFUSED);
      assert.equal(refused.match(/ECONNREFUSED/g)?.length, REFUSED);
    }
    await quiet('the counters', async () => JSON.stringify([nstat(client.namespace), nstat(server.namespace)]), 1_000);
    await flowspan.settled();
  });

  after(async () => {
    await echo?.stop();
    await world?.end();
  });

  /** Distinct connections of the namespace that meet the condition. */
  async function connections(namespace: Namespace, where: string): Promise<number> {
    const [row] = await world.flowspan.query<{ count: string }>(
      `SELECT toString(uniqExact(socket_cookie, generation)) AS count FROM flows
       WHERE netns = ${namespace.inode} AND protocol = 6 AND ${where}`,
    );
    return Number(row?.count);
  }

  async function events(namespace: Namespace, where: string): Promise<number> {
    const [row] = await world.flowspan.query<{ count: string }>(
      `SELECT toString(count()) AS count FROM tcp_events WHERE netns = ${namespace.inode} AND ${where}`,
    );
    return Number(row?.count);
  }

  it('counts the connections opened', async () => {
    const told = nstat(world.client.namespace).TcpActiveOpens;
    assert.equal(told, 2 * (CLOSED + RESET + REFUSED));
    assert.equal(await connections(world.client.namespace, "observation_point = 'client'"), told);
  });

  it('counts the connections accepted', async () => {
    const told = nstat(world.server.namespace).TcpPassiveOpens;
    assert.equal(told, 2 * (CLOSED + RESET));
    assert.equal(await connections(world.server.namespace, "observation_point = 'server'"), told);
  });

  it('tells how each connection ended', async () => {
    const of = (where: string): Promise<number> =>
      connections(world.client.namespace, `flow_state = 'closed' AND ${where}`);
    assert.equal(await of("close_cause = 'fin' AND closed_by = 'client'"), 2 * CLOSED);
    assert.equal(await of("close_cause = 'refused'"), 2 * REFUSED);
    const resetAtServer = "flow_state = 'closed' AND close_cause = 'reset' AND closed_by = 'client'";
    assert.equal(await connections(world.server.namespace, resetAtServer), 2 * RESET);
  });

  it('counts the connects that failed', async () => {
    const told = nstat(world.client.namespace).TcpAttemptFails;
    assert.equal(told, 2 * REFUSED);
    assert.equal(await events(world.client.namespace, "event_kind = 'connect_failed' AND error_number = 111"), told);
  });

  for (const point of ['client', 'server'] as const) {
    it(`counts the resets the ${point} sent`, async () => {
      const { namespace } = world[point];
      const told = nstat(namespace).TcpOutRsts;
      assert.ok(told !== undefined && told > 0);
      assert.equal(await events(namespace, "event_kind = 'reset_sent'"), told);
    });

    it(`counts the resets the ${point} received`, async () => {
      const { namespace } = world[point];
      const told = resetsReceived[point]();
      assert.ok(told > 0);
      assert.equal(await events(namespace, "event_kind = 'reset_received'"), told);
    });
  }

  it('lost nothing', async () => {
    assert.deepEqual(await world.flowspan.losses(), []);
  });
});
