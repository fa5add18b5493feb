/** A request that a lost segment delayed carries that loss, and no other request does. Chosen segments are lost by rule. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { whyNot } from '../support/flowspan.ts';
import { loseFirstWith } from '../support/loss.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { run } from '../support/program.ts';
import { createWorld, type World } from '../support/world.ts';

/** Connections side by side, each asking one after the other. */
const LANES = 6;
const REQUESTS_PER_LANE = 30;
/** Linux sends again after 200 ms at the earliest when a timeout must tell; a probe may come a little sooner. */
const DELAYED_MS = 5;

interface EvidenceRow {
  path: string;
  again: number;
  timeouts: number;
  probes: number;
  fast: number;
  milliseconds: number;
}

describe('evidence of each request', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;

  before(async () => {
    world = await createWorld();
    nginx = await startNginx(world.server, {
      locations: 'location /echo/ { return 200 "$uri\\n"; }',
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
        const urls = Array.from(
          { length: REQUESTS_PER_LANE },
          (_, number) => `http://${world.serverAddress.ipv4}${path(lane, number)}`,
        );
        return run(world.client, ['curl', '-s', '-o', '/dev/null', ...urls]);
      }),
    );
  }

  async function evidence(point: 'client' | 'server', prefix: string): Promise<EvidenceRow[]> {
    const where = `netns = ${world[point].namespace.inode} AND observation_point = '${point}' AND startsWith(http_path, '${prefix}')`;
    await world.flowspan.settled(`SELECT count() AS count FROM requests WHERE ${where}`);
    return world.flowspan.query<EvidenceRow>(
      `SELECT http_path AS path, retransmitted_segments AS again, timeouts, tail_loss_probes AS probes,
         fast_retransmits AS fast, duration_ns / 1e6 AS milliseconds
       FROM requests WHERE ${where}`,
    );
  }

  /** The requests that tell of something sent again are exactly the chosen ones; those took long. */
  function check(rows: readonly EvidenceRow[], chosen: readonly string[]): void {
    assert.equal(rows.length, LANES * REQUESTS_PER_LANE);
    const telling = rows.filter(({ again, timeouts, probes, fast }) => again + timeouts + probes + fast > 0);
    assert.deepEqual(telling.map(({ path }) => path).toSorted(), chosen.toSorted());
    for (const { path, milliseconds, again } of telling) {
      assert.ok(again > 0, `${path} tells how many segments`);
      assert.ok(milliseconds > DELAYED_MS, `${path} took ${milliseconds} ms`);
    }
  }

  it('tells of a request that was lost, at the client, who sent it again', async () => {
    const chosen = ['/r/asked/l0/n7', '/r/asked/l1/n20', '/r/asked/l3/n29'];
    const lost = chosen.map((path) => loseFirstWith(world.server.namespace, `${path} HTTP`));
    await ask((lane, number) => `/r/asked/l${lane}/n${number}`);
    assert.deepEqual(
      lost.map((count) => count()),
      [1, 1, 1],
    );
    check(await evidence('client', '/r/asked/'), chosen);
    assert.deepEqual(
      (await evidence('server', '/r/asked/')).filter(({ again }) => again > 0),
      [],
    );
  });

  it('tells of an answer that was lost, at the server, who sent it again', async () => {
    const chosen = ['/echo/l1/n3', '/echo/l2/n0', '/echo/l5/n28'];
    const lost = chosen.map((path) => loseFirstWith(world.client.namespace, `${path}\n`));
    await ask((lane, number) => `/echo/l${lane}/n${number}`);
    assert.deepEqual(
      lost.map((count) => count()),
      [1, 1, 1],
    );
    check(await evidence('server', '/echo/'), chosen);
    assert.deepEqual(
      (await evidence('client', '/echo/')).filter(({ again }) => again > 0),
      [],
    );
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
    check(await evidence('server', '/static/'), ['/static/marked2.txt', '/static/marked4.txt']);
  });

  it('lost nothing', async () => {
    assert.deepEqual(await world.flowspan.losses(), []);
  });
});

/** A file of 200 kB with `mark-<file>-<n>;` at every 10 kB. */
function marked(file: number): string {
  return Array.from({ length: 20 }, (_, number) => `mark-${file}-${number};`.padEnd(10_000, '.')).join('');
}
