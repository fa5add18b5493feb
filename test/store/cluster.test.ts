/**
 * The schema's form on a cluster, as far as it can be checked without one: the engine's own parser reads every statement,
 * and knows every setting. No replicated server has run them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CLUSTER_INSERT_SETTINGS,
  CLUSTER_QUERY_SETTINGS,
  clusterStatements,
  migrateCluster,
} from '../../store/cluster.ts';
import { quoteText } from '../../store/ddl.ts';
import { SCHEMA } from '../../store/schema.ts';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
});
after(() => store.close());

const statements = clusterStatements('flowspan', 'main');

async function ask(query: string): Promise<string> {
  const result = await store.writer().query({ query, format: 'TabSeparatedRaw' });
  return (await result.text()).trimEnd();
}

test("the engine's parser reads every statement", async () => {
  for (const statement of statements) {
    const formatted = await ask(`SELECT formatQuery(${quoteText(statement)})`);
    assert.match(formatted, /ON CLUSTER main/, statement);
  }
  await assert.rejects(
    ask(`SELECT formatQuery(${quoteText(statements[1]!.replace('ENGINE', 'ENGIN'))})`),
    /SYNTAX|yntax/,
  );
});

test('each table is there twice, sharded by node or by its key; feeds stay on their shard', async () => {
  for (const { name, engine } of SCHEMA.tables) {
    const of = statements.filter((one) => one.startsWith(`CREATE TABLE IF NOT EXISTS \`flowspan\`.\`${name}`));
    const local = of.find((one) => one.includes(`.\`${name}_local\` ON CLUSTER`) && !one.includes('Distributed'));
    const distributed = of.find((one) => one.includes(`.\`${name}\` ON CLUSTER`));
    assert.ok(
      local?.includes(
        `ENGINE = Replicated${/^\w+/.exec(engine)![0]}('/clickhouse/tables/{shard}/flowspan/${name}_local', '{replica}'`,
      ),
    );
    assert.match(distributed ?? '', new RegExp(`Distributed\\('main', 'flowspan', '${name}_local', sipHash64\\(`));
    if (['flows', 'requests', 'tcp_events', 'losses'].includes(name)) assert.match(distributed!, /sipHash64\(node\)/);
    assert.match(local!, /replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800/);
    assert.doesNotMatch(local!, /non_replicated/);
  }
  const tables = SCHEMA.tables.map(({ name }) => name).join('|');
  for (const { name } of SCHEMA.views.filter((view) => view.feed !== undefined)) {
    const feed = statements.find((one) =>
      one.includes(`CREATE MATERIALIZED VIEW IF NOT EXISTS \`flowspan\`.\`${name}\``),
    )!;
    assert.match(feed, / TO `flowspan`\.`\w+_local`/);
    assert.doesNotMatch(
      feed.slice(feed.indexOf(' AS\n'), feed.indexOf('\nCOMMENT')),
      new RegExp(`\\.\`?(${tables})\\b`),
      feed,
    );
  }
});

test('the engine knows the settings', async () => {
  const known = async (table: string, names: readonly string[]) =>
    assert.equal(
      await ask(`SELECT count() FROM system.${table} WHERE name IN (${names.map(quoteText).join(', ')})`),
      String(names.length),
    );
  await known('merge_tree_settings', ['replicated_deduplication_window', 'replicated_deduplication_window_seconds']);
  await known('settings', [...Object.keys(CLUSTER_INSERT_SETTINGS), ...Object.keys(CLUSTER_QUERY_SETTINGS)]);
});

test('tables that stored what is put together now are refused, and left as they are', async () => {
  const client = store.writer();
  await client.command({ query: 'CREATE DATABASE older' });
  await client.command({
    query: 'CREATE TABLE older.requests (time DateTime, http_path String) ENGINE = MergeTree ORDER BY time',
  });
  await assert.rejects(migrateCluster(client, 'older', 'main'), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'FLOW_STORE_MIGRATION');
    assert.match(error.message, /requests of older are of a version.*clickhouse\.database/);
    return true;
  });
  assert.equal(await ask('SHOW TABLES FROM older'), 'requests');
});

test('where there is no cluster it says so, and what to check', async () => {
  const client = store.writer();
  await assert.rejects(migrateCluster(client, 'flowspan', 'nonesuch'), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'FLOW_STORE_MIGRATION');
    assert.match(error.message, /clickhouse\.cluster/);
    return true;
  });
});
