/** `flowspan up` with a ClickHouse of the user's: here a store that was started by itself. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, ownEnvironment, queryStore, startFlowspan, whyNot } from '../support/flowspan.ts';
import { startUp, type Up } from '../support/up.ts';

const DATABASE = 'elsewhere';

describe('flowspan up with FLOWSPAN_CLICKHOUSE_URL', { skip: whyNot() ?? false }, () => {
  let server: Flowspan;
  let up: Up;
  let cgroup: Cgroup;
  let env: Record<string, string>;

  before(async () => {
    server = await startFlowspan({ processes: ['store'] });
    cgroup = createCgroup();
    env = {
      ...(await ownEnvironment()),
      FLOWSPAN_CLICKHOUSE_URL: server.storeUrl,
      FLOWSPAN_CLICKHOUSE_USER: 'collector',
      FLOWSPAN_CLICKHOUSE_PASSWORD: readFileSync(join(server.dataDir, 'writer_password'), 'utf8').trim(),
      FLOWSPAN_CLICKHOUSE_DATABASE: DATABASE,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT: cgroup.path,
    };
    up = await startUp(env);
  });

  after(async () => {
    await up?.program.stop('SIGINT');
    cgroup?.remove();
    await server?.stop();
  });

  it('starts no store of its own', () => {
    assert.deepEqual([...up.children().keys()].toSorted(), ['collector', 'query-api']);
    assert.ok(up.program.output().includes(server.storeUrl));
  });

  it('writes there, and answers from there', async () => {
    const rows = await eventually(
      'reports of the collector',
      async () => {
        const found = await queryStore<{ count: string }>(
          server.storeUrl,
          `SELECT toString(count()) AS count FROM ${DATABASE}.collector_reports`,
        );
        return Number(found[0]?.count) > 0 ? found : undefined;
      },
      20_000,
    );
    assert.ok(Number(rows[0]?.count) > 0);
    const answer = await fetch(`http://${env.FLOWSPAN_QUERY_API_LISTEN}/v1/flows?since=5m`);
    assert.equal(answer.status, 200, await answer.text());
  });
});
