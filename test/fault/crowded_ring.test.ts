/** More connections than the ring holds rows of: a walk over them takes its time instead of losing them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { startFlowspan, whyNot } from '../support/flowspan.ts';

const CONNECTIONS = 1500;
/** Room for some 200 rows. */
const RING_BYTES = 64 * 1024;

/** Opens the connections to itself, slowly, and keeps them. */
const CROWD = `
const net = require('node:net');
const wanted = Number(process.argv[1]);
const server = net.createServer(() => {}).listen(0, '127.0.0.1', async () => {
  for (let at = 0; at < wanted; at += 1) {
    await new Promise((done) => net.connect(server.address().port, '127.0.0.1', done));
    if (at % 20 === 0) await new Promise((done) => setTimeout(done, 20));
  }
});`;

test('walks over connections lose no row to a small ring', { skip: whyNot() ?? false }, async () => {
  const cgroup = createCgroup();
  const env = {
    FLOWSPAN_COLLECTOR_RECORDS_RING_BYTES: String(RING_BYTES),
    FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true',
  };
  const flowspan = await startFlowspan({ cgroup, env });
  const crowd = start({ cgroup }, [process.execPath, '-e', CROWD, String(CONNECTIONS)]);
  try {
    // Rows of one walk: every connection, at both ends.
    await eventually(
      'two walks over all connections',
      async () => {
        const [row] = await flowspan.query<{ walks: string }>(
          `SELECT toString(min(rows)) AS walks FROM (SELECT count() AS rows FROM flows WHERE flow_state = 'active'
           GROUP BY socket_cookie HAVING rows > 1) HAVING count() >= ${2 * CONNECTIONS}`,
        );
        return Number(row?.walks ?? 0) >= 2;
      },
      40_000,
    );
    assert.deepEqual(await flowspan.losses(), []);
  } finally {
    await crowd.stop('SIGKILL');
    await flowspan.stop();
    cgroup.remove();
  }
});
