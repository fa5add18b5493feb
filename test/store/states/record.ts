/**
 * Writes down the schema as this version makes it, for the test that migrates from it: run it when a version is about to
 * be released. Usage: node test/store/states/record.ts NAME
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '../../../store/migrate.ts';
import { RunningStore } from '../running_store.ts';
import { PLACEHOLDER, type RecordedState } from './state.ts';

const [name] = process.argv.slice(2);
if (name === undefined) throw new Error('usage: node test/store/states/record.ts NAME');
const store = await RunningStore.start();
try {
  const writer = store.writer();
  await migrate(writer, PLACEHOLDER);
  // Feeds and views after the tables they need.
  const result = await writer.query({
    query: `SELECT create_table_query AS sql FROM system.tables WHERE database = '${PLACEHOLDER}'
      ORDER BY engine IN ('View', 'MaterializedView'), engine = 'View', name`,
    format: 'JSONEachRow',
  });
  const migrations = await writer.query({
    query: `SELECT schema_hash FROM ${PLACEHOLDER}.schema_migrations`,
    format: 'JSONEachRow',
  });
  const state: RecordedState = {
    schema_hash: (await migrations.json<{ schema_hash: string }>())[0]!.schema_hash,
    statements: (await result.json<{ sql: string }>()).map(({ sql }) => sql),
  };
  writeFileSync(join(import.meta.dirname, `${name}.json`), `${JSON.stringify(state, null, 2)}\n`);
} finally {
  await store.close();
}
