import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { histogramQuantileSql, histogramSql } from '../../store/histogram.ts';
import { migrate } from '../../store/migrate.ts';
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { buildEdges } from './edges.ts';
import { insertSql, requestColumns } from './generated_rows.ts';
import { RunningStore } from './running_store.ts';

const BEGIN = "toDateTime64(toStartOfHour(now() - 7200), 9, 'UTC')";
const COUNT = 20_000;

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
  await run(insertSql(REQUESTS, requestColumns(BEGIN, 30_000_000), COUNT));
  await run(insertSql(FLOWS, FLOW_COLUMNS, COUNT));
  await run(insertSql(TCP_EVENTS, EVENT_COLUMNS, COUNT));
  await buildEdges(store.writer(), 'flowspan');
});
after(() => store.close());

const END_COLUMNS = (() => {
  const { cluster, node, boot_id, source_endpoint_id, destination_endpoint_id, observation_point, ...rest } =
    requestColumns(BEGIN, 30_000_000);
  const { time, destination_port, protocol, sample_weight } = rest;
  return {
    ...{ time, cluster, node, boot_id, source_endpoint_id, destination_endpoint_id, observation_point },
    ...{ destination_port: destination_port!, protocol: protocol!, sample_weight: sample_weight! },
  } as Record<string, string>;
})();

const FLOW_COLUMNS = {
  ...END_COLUMNS,
  flow_state: "['opened', 'active', 'closed'][number % 3 + 1]",
  bytes_sent: 'number * 3',
  bytes_retransmitted: 'number % 5',
  bytes_received: 'number * 2',
  segments_sent: 'number % 50',
  segments_received: 'number % 40',
  retransmitted_segments: 'number % 4',
  srtt_us: 'number % 1000',
  min_rtt_us: 'number % 700',
};

const EVENT_COLUMNS = { ...END_COLUMNS, event_kind: 'number % 7 + 1' };

async function run(query: string): Promise<void> {
  await store.writer().command({ query });
}

async function rows<Row = unknown[]>(query: string): Promise<Row[]> {
  const result = await store.reader().query({ query, format: 'JSONCompactEachRow' });
  return await result.json<Row>();
}

const KEY = 'destination_endpoint_id, source_endpoint_id, destination_port, protocol, observation_point';

test('edges_1m equals the same question over the rows', async () => {
  const rolled = await rows(`
    SELECT minute, ${KEY}, sum(connections_opened), sum(connections_closed), sum(bytes_from_client),
      sum(bytes_from_server), sum(segments_from_client), sum(retransmitted_segments_from_server), sum(srtt_us_sum),
      sum(srtt_samples), max(srtt_us_max), min(min_rtt_us)
    FROM flowspan.edges_1m FINAL GROUP BY minute, ${KEY} HAVING sum(srtt_us_sum) > 0 ORDER BY ALL`);
  const counted = await rows(`
    SELECT toDateTime(toStartOfMinute(time)) AS minute, ${KEY}, sum(sample_weight * (flow_state = 'opened')),
      sum(sample_weight * (flow_state = 'closed')),
      sum(sample_weight * if(observation_point = 'client', bytes_sent - bytes_retransmitted, toInt64(bytes_received))),
      sum(sample_weight * if(observation_point = 'client', toInt64(bytes_received), bytes_sent - bytes_retransmitted)),
      sum(sample_weight * if(observation_point = 'client', segments_sent, segments_received)),
      sum(sample_weight * if(observation_point = 'client', 0, retransmitted_segments)),
      sum(sample_weight * srtt_us), sum(sample_weight * (srtt_us > 0)), max(srtt_us), minIf(min_rtt_us, min_rtt_us > 0)
    FROM flowspan.flows GROUP BY minute, ${KEY} ORDER BY ALL`);
  assert.ok(rolled.length > 100);
  assert.deepEqual(rolled, counted);

  assert.deepEqual(
    await rows(`SELECT sum(requests_ok), sum(requests_client_error), sum(requests_server_error), sum(duration_ns_sum),
      sum(connections_failed), sum(events_retransmit), sum(events_accept_overflow) FROM flowspan.edges_1m FINAL`),
    await rows(`SELECT * FROM (SELECT sumIf(sample_weight, outcome = 'ok'), sumIf(sample_weight, outcome = 'client_error'),
      sumIf(sample_weight, outcome = 'server_error'), sum(sample_weight * duration_ns) FROM flowspan.requests) AS r,
      (SELECT sumIf(sample_weight, event_kind = 'connect_failed'), sumIf(sample_weight, event_kind = 'retransmit'),
      sumIf(sample_weight, event_kind = 'accept_overflow') FROM flowspan.tcp_events) AS e`),
  );
});

test('quantiles of the rollup are those of the rows, at most 2.2 % off the exact ones', async () => {
  const levels = [0.5, 0.9, 0.99];
  const quantiles = (histogram: string) => levels.map((level) => histogramQuantileSql(histogram, level)).join(', ');
  const [rolled] = await rows<number[]>(
    `SELECT ${quantiles('sumMap(duration_ns_histogram)')} FROM flowspan.edges_1m FINAL`,
  );
  const [fromRows] = await rows<number[]>(
    `SELECT ${quantiles(histogramSql('duration_ns', 'sample_weight'))} FROM flowspan.requests`,
  );
  assert.deepEqual(rolled, fromRows);
  const [exact] = await rows<number[]>(
    `SELECT ${levels.map((level) => `quantileExactWeighted(${level})(duration_ns, sample_weight)`).join(', ')} FROM flowspan.requests`,
  );
  for (const [index, value] of exact!.entries()) assert.ok(Math.abs(rolled![index]! / value - 1) < 0.022);
  assert.deepEqual(
    await rows(
      `SELECT ${quantiles('sumMap(duration_ns_histogram)')} FROM flowspan.edges_1m FINAL WHERE minute < '2000-01-01'`,
    ),
    [[null, null, null]],
  );
});

test('an insert sent again with its token counts once in table and rollup', async () => {
  const sums = () =>
    rows(`SELECT sum(requests_ok), (SELECT count() FROM flowspan.requests) FROM flowspan.edges_1m_current`);
  const insert = async (token: string) => {
    await store.writer().insert({
      table: 'flowspan.requests',
      values: [{ time: `${Date.now()}000000`, outcome: 'ok', sample_weight: 5 }],
      format: 'JSONEachRow',
      clickhouse_settings: { insert_deduplication_token: token },
    });
  };
  const [first] = (await sums()) as number[][];
  await insert('a');
  await insert('a');
  assert.deepEqual(await sums(), [[first![0]! + 5, first![1]! + 1]]);
  await insert('b');
  assert.deepEqual(await sums(), [[first![0]! + 10, first![1]! + 2]]);
});
