/**
 * The same requests as the OpenTelemetry Collector's ClickHouse exporter would have stored them: attributes in a Map, the
 * exporter's order and codecs, without its bloom filters: a scan is what is measured. (They find a value that comes once, and
 * none that comes in every granule.) Filled from otel_traces, so that every attribute that Flowspan has is in it.
 */
import { createHash } from 'node:crypto';
import { Engine } from '../../../store/embedded/engine.ts';

export const MAP_TABLE = 'spans_as_maps';
const LAYOUT = `
  Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
  TraceId String CODEC(ZSTD(1)),
  SpanId String CODEC(ZSTD(1)),
  ParentSpanId String CODEC(ZSTD(1)),
  SpanName LowCardinality(String) CODEC(ZSTD(1)),
  SpanKind LowCardinality(String) CODEC(ZSTD(1)),
  ServiceName LowCardinality(String) CODEC(ZSTD(1)),
  ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  Duration UInt64 CODEC(ZSTD(1)),
  StatusCode LowCardinality(String) CODEC(ZSTD(1))`;
const COLUMNS =
  'Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes, Duration, StatusCode';

/** Makes the copy of a time, `[since, until)` in seconds since the epoch, if it is not there; returns how many rows it has. */
export async function copyAsMaps(storeDir: string, since: number, until: number): Promise<number> {
  const engine = await Engine.open(storeDir, { readers: 1, writers: 1, memoryBytes: 5 * 1024 ** 3 });
  try {
    const table = `flowspan.${MAP_TABLE}`;
    const made = createHash('sha256').update(`${LAYOUT} ${since} ${until}`).digest('hex').slice(0, 16);
    const [there] = await engine.rows<{ comment: string }>(
      `SELECT comment FROM system.tables WHERE database = 'flowspan' AND name = '${MAP_TABLE}'`,
    );
    if (there?.comment !== made) {
      const run = (sql: string) => engine.run({ sql, role: 'upkeep', settings: { max_threads: '1' } });
      await run(`DROP TABLE IF EXISTS ${table} SYNC`);
      await run(
        `CREATE TABLE ${table} (${LAYOUT}) ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))`,
      );
      // a minute at a time bounds the memory; spans are found by when they end
      for (let at = since; at < until; at += 60) {
        await run(
          `INSERT INTO ${table} (${COLUMNS}) SELECT ${COLUMNS} FROM flowspan.otel_traces WHERE Timestamp >= toDateTime64(${at}, 9, 'UTC') AND Timestamp < toDateTime64(${at + 60}, 9, 'UTC')`,
        );
      }
      await run(`OPTIMIZE TABLE ${table} FINAL`);
      await run(`ALTER TABLE ${table} MODIFY COMMENT '${made}'`);
    }
    const [count] = await engine.rows<{ rows: string }>(`SELECT count() AS rows FROM ${table}`);
    return Number(count!.rows);
  } finally {
    await engine.close();
  }
}
