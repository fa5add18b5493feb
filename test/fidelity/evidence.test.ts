/**
 * A request that a lost segment delayed carries that loss, and no other request does. Chosen segments are lost by rule.
 * Between two requests the client pauses, so that a segment with a request does not also carry the acknowledgement of
 * the answer before: if that were lost, both would rightly tell of it.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loseFirstWith } from '../../deploy/lab/loss.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { runTalker } from '../support/talker.ts';
import { createWorld, type World } from '../support/world.ts';

/** Connections side by side, each asking one after the other. */
const LANES = 6;
const REQUESTS_PER_LANE = 25;
/** Longer than a delayed acknowledgement waits. */
const GAP_MS = 60;
/** A lost last segment costs at least this much; without loss a request takes a fraction of it. */
const DELAYED_MS = 2;

interface EvidenceRow {
  path: string;
  port: number;
  again: number;
  timeouts: number;
  probes: number;
  fast: number;
  milliseconds: number;
}

type Point = 'client' | 'server';

describe('evidence of each request', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;

  before(async () => {
    world = await createWorld();
    nginx = await startNginx(world.server, {
      locations: 'location /echo/ { return 200 "$uri;"; }',
    });
    for (let number = 0; number < LANES; number += 1)
      writeFileSync(join(nginx.folder, 'static', `marked${number}.txt`), marked(number));
  });

  after(async () => {
    await nginx?.stop();
    await world?.end();
  });

  /** Runs the lanes side by side, each over one connection. */
  async function ask(path: (lane: number, number: number) => string): Promise<void> {
    await Promise.all(
      Array.from({ length: LANES }, (_, lane) => {
        const paths = Array.from({ length: REQUESTS_PER_LANE }, (_, number) => path(lane, number));
        return runTalker(world.client, 'http', world.serverAddress.ipv4, 80, GAP_MS, ...paths);
      }),
    );
  }

  async function evidence(point: Point, prefix: string): Promise<EvidenceRow[]> {
    const where = `netns = ${world[point].namespace.inode} AND observation_point = '${point}' AND startsWith(http_path, '${prefix}')`;
    await world.flowspan.settled();
    return world.flowspan.query<EvidenceRow>(
      `SELECT http_path AS path, source_port AS port, retransmitted_segments AS again, timeouts, tail_loss_probes AS probes,
         fast_retransmits AS fast, duration_ns / 1e6 AS milliseconds
       FROM requests WHERE ${where}`,
    );
  }

  /** Segments with payload that the end sent again, by the client's port. */
  async function sentAgain(point: Point): Promise<Map<number, number>> {
    const rows = await world.flowspan.query<{ port: number; segments: string }>(
      `SELECT source_port AS port, toString(sum(segments)) AS segments FROM tcp_events
       WHERE netns = ${world[point].namespace.inode} AND event_kind = 'retransmit' AND retransmit_cause NOT IN ('syn', 'syn_ack')
       GROUP BY port`,
    );
    return new Map(rows.map(({ port, segments }) => [port, Number(segments)]));
  }

  /**
   * The chosen requests tell of what was sent again. No other does: segments that requests tell of are,
   * connection by connection, those of the events, and where the events are as many as the chosen, only the chosen tell.
   * (On a busy machine the kernel sometimes sends again what was only late; that is told as well.)
   */
  async function check(point: Point, prefix: string, chosen: readonly string[]): Promise<void> {
    const rows = await evidence(point, prefix);
    assert.equal(rows.length, LANES * REQUESTS_PER_LANE);
    for (const path of chosen) {
      const row = rows.find((candidate) => candidate.path === path);
      assert.ok(row !== undefined && row.again > 0, `${path} tells that it was sent again`);
      assert.ok(row.timeouts + row.probes + row.fast > 0, `${path} tells why`);
    }
    const events = await sentAgain(point);
    for (const [port, lane] of Map.groupBy(rows, (row) => row.port)) {
      const told = lane.reduce((sum, { again }) => sum + again, 0);
      assert.equal(told, events.get(port) ?? 0, `segments sent again on the connection from port ${port}`);
      const ofLane = lane.map(({ path }) => path).filter((path) => chosen.includes(path));
      if (told > ofLane.length) continue;
      const telling = lane.filter(({ again, timeouts, probes, fast }) => again + timeouts + probes + fast > 0);
      assert.deepEqual(telling.map(({ path }) => path).toSorted(), ofLane.toSorted());
    }
  }

  /** The client waited for the chosen requests. */
  async function checkDelays(prefix: string, chosen: readonly string[]): Promise<void> {
    for (const { path, milliseconds } of await evidence('client', prefix)) {
      if (chosen.includes(path)) assert.ok(milliseconds > DELAYED_MS, `${path} took ${milliseconds} ms`);
    }
  }

  it('tells of a request that was lost, at the client, who sent it again', async () => {
    const chosen = ['/r/asked/l0/n7', '/r/asked/l1/n20', '/r/asked/l3/n24'];
    const lost = chosen.map((path) => loseFirstWith(world.server.namespace, `${path} HTTP`));
    await ask((lane, number) => `/r/asked/l${lane}/n${number}`);
    assert.deepEqual(
      lost.map((count) => count()),
      [1, 1, 1],
    );
    await check('client', '/r/asked/', chosen);
    await check('server', '/r/asked/', []);
    await checkDelays('/r/asked/', chosen);
  });

  it('tells of an answer that was lost, at the server, who sent it again', async () => {
    const chosen = ['/echo/l1/n3', '/echo/l2/n0', '/echo/l5/n23'];
    const lost = chosen.map((path) => loseFirstWith(world.client.namespace, `${path};`));
    await ask((lane, number) => `/echo/l${lane}/n${number}`);
    assert.deepEqual(
      lost.map((count) => count()),
      [1, 1, 1],
    );
    await check('server', '/echo/', chosen);
    await check('client', '/echo/', []);
    await checkDelays('/echo/', chosen);
  });

  it('tells of a segment lost in the middle of a long answer', async () => {
    const lost = [
      loseFirstWith(world.client.namespace, 'mark-2-5;'),
      loseFirstWith(world.client.namespace, 'mark-4-9;'),
    ];
    // Each lane asks once for its marked file, between other requests.
    await ask((lane, number) => (number === 12 ? `/static/marked${lane}.txt` : `/static/1000.txt?l${lane}n${number}`));
    assert.deepEqual(
      lost.map((count) => count()),
      [1, 1],
    );
    await check('server', '/static/', ['/static/marked2.txt', '/static/marked4.txt']);
  });

  it('lost nothing', async () => {
    assert.deepEqual(await world.flowspan.losses(), []);
  });
});

/** A file of 200 kB with `mark-<file>-<n>;` at every 10 kB. */
function marked(file: number): string {
  return Array.from({ length: 20 }, (_, number) => `mark-${file}-${number};`.padEnd(10_000, '.')).join('');
}
