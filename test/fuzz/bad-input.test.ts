/**
 * Bad traffic on real sockets: nothing crashes, memory and maps stay bounded, no row claims what was not seen, no body
 * byte and no credential is kept, and good requests among it are told as before.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listening, type Program, run, start } from '../../deploy/lab/program.ts';
import { ABUSES, BODY_SECRET, runAbuser, startEndless } from '../support/abuser.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { residentBytes } from '../support/resident.ts';
import { createWorld, type World } from '../support/world.ts';

const SEED = 20_261_121;
const COUNT = 120;
const ENDLESS = 150;
const BAD_PORT = 8080;
const GOOD_REQUESTS = 500;
const MEMORY_GROWTH_BYTES = 96 * 1024 ** 2;

describe('bad input', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;
  let badServer: Program;
  const endless: Program[] = [];
  let memoryBefore: number;
  let pids: readonly number[];

  before(async () => {
    world = await createWorld();
    nginx = await startNginx(world.server);
    const script = new URL('../support/mute-server.ts', import.meta.url).pathname;
    badServer = start(world.server, [process.execPath, script, String(BAD_PORT), String(SEED)]);
    await listening(world.server.namespace, BAD_PORT);
    await run(world.client, ['curl', '-s', '-o', '/dev/null', `http://${world.serverAddress.ipv4}/r/warm/[1-200]`]);
    pids = ['store', 'collector'].map((name) => world.flowspan.pid(name));
    const { ipv4, ipv6 } = world.serverAddress;
    endless.push(startEndless(world.client, ipv4, 80, ENDLESS), startEndless(world.client, ipv6, BAD_PORT, ENDLESS));
    memoryBefore = residentBytes(world.flowspan.pid('collector'));
  });

  after(async () => {
    await Promise.all(endless.map((program) => program.stop('SIGKILL')));
    await nginx?.stop();
    await badServer?.stop();
    await world?.end();
  });

  for (const name of ABUSES) {
    it(`survives: ${name}`, async () => {
      const { ipv4, ipv6 } = world.serverAddress;
      const count = name === 'megabyte' ? 20 : COUNT;
      await Promise.all([
        runAbuser(world.client, name, ipv4, 80, SEED, count),
        runAbuser(world.client, name, ipv6, BAD_PORT, SEED, count / 2),
      ]);
      assert.deepEqual(
        ['store', 'collector'].map((child) => world.flowspan.pid(child)),
        pids,
        'no process was restarted',
      );
    });
  }

  it('tells of good requests afterwards as before', async () => {
    await run(world.client, [
      'curl',
      '-s',
      '-o',
      '/dev/null',
      `http://${world.serverAddress.ipv4}/r/good/[1-${GOOD_REQUESTS}]`,
    ]);
    await world.flowspan.settled();
    const rows = await world.flowspan.query<{ point: string; count: string }>(
      `SELECT toString(observation_point) AS point, toString(count()) AS count FROM requests
       WHERE startsWith(http_path, '/r/good/') AND status = '200' GROUP BY point ORDER BY point`,
    );
    assert.deepEqual(rows, [
      { point: 'client', count: String(GOOD_REQUESTS) },
      { point: 'server', count: String(GOOD_REQUESTS) },
    ]);
  });

  it('claims no answer that nginx did not give', async () => {
    const given = new Map<string, number>();
    for (const { remote_port, status } of nginx.accessLog()) {
      const key = `${remote_port} ${status}`;
      given.set(key, (given.get(key) ?? 0) + 1);
    }
    const rows = await world.flowspan.query<{ port: number; status: string; count: string; example: string }>(
      `SELECT source_port AS port, status, toString(count()) AS count, any(http_path) AS example FROM requests
       WHERE netns = ${world.server.namespace.inode} AND observation_point = 'server' AND destination_port = 80 AND status != ''
       GROUP BY port, status`,
    );
    assert.ok(
      rows.some(({ example }) => example === '/pipeline'),
      'what was asked properly is told',
    );
    const invented = rows.filter(({ port, status, count }) => Number(count) > (given.get(`${port} ${status}`) ?? 0));
    assert.deepEqual(invented, []);
  });

  it('takes no request from bytes that are none', async () => {
    const rows = await world.flowspan.query(
      `SELECT operation, http_path, status FROM requests
       WHERE netns IN (${world.client.namespace.inode}, ${world.server.namespace.inode})
         AND NOT match(operation, '^[!#$%&''*+.^_\`|~0-9A-Za-z-]+$')`,
    );
    assert.deepEqual(rows, []);
  });

  it('keeps no body byte and no credential', async () => {
    const columns = ['http_host', 'http_path', 'http_query', 'operation', 'resource', 'status', 'error_type'];
    const rows = await world.flowspan.query(
      `SELECT ${columns.join(', ')} FROM requests
       WHERE ${columns.map((column) => `${column} LIKE '%hunter2%' OR ${column} LIKE '%${BODY_SECRET.slice(4)}%'`).join(' OR ')}`,
    );
    assert.deepEqual(rows, []);
  });

  it('keeps memory bounded', () => {
    const growth = residentBytes(world.flowspan.pid('collector')) - memoryBefore;
    assert.ok(growth < MEMORY_GROWTH_BYTES, `the collector grew by ${(growth / 1024 ** 2).toFixed(0)} MiB`);
  });

  it('lost nothing', async () => {
    const losses = await world.flowspan.losses();
    // Bytes that no reader may interpret are discarded by design, and counted.
    const told = ['malformed_http', 'stream_gap', 'pipeline_depth'];
    assert.deepEqual(
      losses.filter((line) => !told.some((reason) => line.includes(reason))),
      [],
    );
  });
});
