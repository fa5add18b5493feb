/** edges_1m says what the resolved rows say, whatever came late. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildSql, nextMinutes } from '../../store/edge_builds.ts';
import { migrate } from '../../store/migrate.ts';
import { EDGE_AGGREGATES, EDGE_KEY } from '../../store/rollups.ts';
import { random } from '../support/abuser.ts';
import { type Claim, History } from './claim_history.ts';
import { buildEdges, dirtyMinutes } from './edges.ts';
import { RunningStore } from './running_store.ts';

const SECOND = 1_000_000_000n;
/** Some twenty minutes ago, a whole minute. */
const BEGIN = (BigInt(Date.now()) / 60_000n - 20n) * 60n * SECOND;

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
});
after(() => store.close());

async function insert(table: string, values: readonly Record<string, unknown>[]): Promise<void> {
  const texts = values.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, `${value}`])));
  await store.writer().insert({ table: `flowspan.${table}`, values: texts, format: 'JSONEachRow' });
}

async function read(query: string): Promise<unknown[]> {
  const result = await store.reader().query({ query, format: 'JSONCompactEachRow' });
  return await result.json();
}

const tell = (claims: readonly Claim[], changedFrom: bigint) =>
  insert(
    'endpoint_addresses',
    claims.map((claim) => ({
      ...claim,
      node: 'n',
      changed_from: changedFrom,
      updated: BigInt(Date.now()) * 1_000_000n,
    })),
  );

const NAMES = EDGE_AGGREGATES.map(({ name }) => name).join(', ');

/** What edges_1m holds, and what the same question over the resolved rows gives. */
async function bothSides(): Promise<{ built: unknown[]; rows: unknown[] }> {
  const of = (table: string) =>
    EDGE_AGGREGATES.map((one) => `${one.table.name === table ? one.of : one.empty} AS ${one.name}`).join(', ');
  const tables = ['flows', 'requests', 'tcp_events'].map(
    (table) =>
      `SELECT toDateTime(toStartOfMinute(time)) AS minute, ${EDGE_KEY.join(', ')}, ${of(table)} FROM flowspan.${table}_resolved AS t GROUP BY minute, ${EDGE_KEY.join(', ')}`,
  );
  const merged = EDGE_AGGREGATES.map(({ name, merge }) => `${merge}(e.${name})`).join(', ');
  return {
    built: await read(`SELECT minute, ${EDGE_KEY.join(', ')}, ${NAMES} FROM flowspan.edges_1m FINAL ORDER BY ALL`),
    rows: await read(
      `SELECT minute, ${EDGE_KEY.join(', ')}, ${merged} FROM (${tables.join(' UNION ALL ')}) AS e GROUP BY minute, ${EDGE_KEY.join(', ')} ORDER BY ALL`,
    ),
  };
}

async function assertEqual(what: string): Promise<void> {
  const { built, rows } = await bothSides();
  assert.ok(built.length > 0);
  assert.deepEqual(built, rows, what);
}

/** Rows between addresses of a history, stamped with whoever had them before, or nobody. */
function drawnRows(history: History, chance: () => number, count: number, from: bigint, seconds: number) {
  const pick = <T>(list: readonly T[]) => list[Math.floor(chance() * list.length)] as T;
  return Array.from({ length: count }, (_, number) => {
    const cluster = pick(['a', 'b']);
    const [source, destination] = [1, 2].map(() => `10.0.0.${1 + Math.floor(chance() * 4)}`) as [string, string];
    const time = from + BigInt(Math.floor(chance() * seconds * 1e9));
    const had = (address: string) =>
      history.holdings.filter((one) => one.cluster === cluster && one.address === address && one.from <= time);
    const stamp = (address: string) => pick([0n, ...had(address).map((one) => one.endpoint_id)]);
    return {
      ...{ time, cluster, protocol: 6, destination_port: 80 },
      ...{ observation_point: pick(['client', 'server']), socket_cookie: number, sample_weight: 1 + (number % 3) },
      ...{ source_address: `::ffff:${source}`, destination_address: `::ffff:${destination}` },
      ...{ source_endpoint_id: stamp(source), destination_endpoint_id: stamp(destination) },
      ...{ source_basis: pick(['none', 'address', 'cgroup']), destination_basis: pick(['none', 'address', 'socket']) },
    };
  });
}

async function insertAll(rows: ReturnType<typeof drawnRows>): Promise<void> {
  const third = Math.floor(rows.length / 3);
  await insert(
    'flows',
    rows.slice(0, third).map((row) => ({ ...row, flow_state: 'opened', bytes_sent: 10, srtt_us: 7, min_rtt_us: 5 })),
  );
  await insert(
    'requests',
    rows.slice(third, 2 * third).map((row) => ({ ...row, outcome: 'ok', duration_ns: 3_000_000 })),
  );
  await insert(
    'tcp_events',
    rows.slice(2 * third).map((row) => ({ ...row, event_kind: 'retransmit' })),
  );
}

test('after churn, with news and rows that come late, the rollup equals the rows', async () => {
  const chance = random(5);
  const history = new History(chance, BEGIN, true);
  const middle = BEGIN + 300n * SECOND;
  const isLate = (claim: Claim, index: number) => claim.valid_from >= middle && index % 3 === 0;
  await insertAll(drawnRows(history, chance, 900, BEGIN, 600));
  assert.equal((await dirtyMinutes(store.writer(), 'flowspan')).length, 10);
  await buildEdges(store.writer(), 'flowspan');

  await tell(
    history.claims.filter((claim, index) => !isLate(claim, index)),
    BEGIN,
  );
  const dirty = await dirtyMinutes(store.writer(), 'flowspan');
  assert.equal(dirty.length, 10, 'news make every minute from then on dirty');
  await buildEdges(store.writer(), 'flowspan');
  await assertEqual('after the news');
  const [gone] = (await read('SELECT count() FROM flowspan.edges_1m WHERE gone')) as number[][];
  assert.ok(gone![0]! > 0, 'edges that are none any more leave the rollup');

  await insertAll(drawnRows(history, chance, 300, BEGIN + 120n * SECOND, 60));
  await tell(history.claims.filter(isLate), middle);
  await buildEdges(store.writer(), 'flowspan');
  await assertEqual('after late rows and late news');

  const all = Array.from({ length: 10 }, (_, minute) => Number(BEGIN / SECOND) + minute * 60);
  await store.writer().command({ query: buildSql('flowspan', all) });
  await assertEqual('minutes that are built again stay what they were');
});

test('a wrong stamp is corrected in rows and rollup', async () => {
  const [wrong, right] = [31n, 32n];
  const address = '::ffff:10.1.0.1';
  const end = (seconds: number) => BEGIN + BigInt(seconds) * SECOND;
  await insert('requests', [
    {
      ...{ time: end(30), cluster: 'z', destination_address: address, destination_endpoint_id: wrong, outcome: 'ok' },
      ...{ source_endpoint_id: 1n, source_basis: 'cgroup', destination_basis: 'address', sample_weight: 1 },
    },
  ]);
  const who = async () => [
    await read("SELECT toUInt32(destination_endpoint_id) FROM flowspan.requests_resolved WHERE cluster = 'z'"),
    await read(
      "SELECT toUInt32(destination_endpoint_id), requests_ok FROM flowspan.edges_1m FINAL WHERE cluster = 'z'",
    ),
    await read(
      "SELECT toUInt32(destination_endpoint_id), requests_ok FROM flowspan.edges_1m_named WHERE cluster = 'z'",
    ),
  ];
  await buildEdges(store.writer(), 'flowspan');
  assert.deepEqual(await who(), [[[31]], [[31, 1]], [[31, 1]]]);
  const claim = (endpoint_id: bigint, from: number, to: number) => ({
    ...{ cluster: 'z', address, endpoint_id, valid_from: end(from), sure_from: end(from) },
    ...{ sure_to: end(to), valid_to: end(to) },
  });
  await tell([claim(wrong, -60, 20), claim(right, 20, 60)], end(20));
  assert.deepEqual((await who())[0], [[32]], 'the row at once');
  await buildEdges(store.writer(), 'flowspan');
  assert.deepEqual(await who(), [[[32]], [[32, 1]], [[32, 1]]]);
});

test('news that are hours late change rollup as rows; what was never built comes first', async () => {
  const [wrong, right] = [41n, 42n];
  const address = '::ffff:10.2.0.1';
  const hoursAgo = (hours: number) => BEGIN - BigInt(hours) * 3600n * SECOND;
  const minute = (time: bigint) => Number(time / SECOND / 60n) * 60;
  const row = (time: bigint) => ({
    ...{ time, cluster: 'w', destination_address: address, destination_endpoint_id: wrong, outcome: 'ok' },
    ...{ source_endpoint_id: 1n, source_basis: 'cgroup', destination_basis: 'address', sample_weight: 1 },
  });
  await insert('requests', [row(hoursAgo(6)), row(hoursAgo(4)), row(hoursAgo(2))]);
  await buildEdges(store.writer(), 'flowspan');
  const claim = { cluster: 'w', address, endpoint_id: wrong, valid_from: hoursAgo(9), sure_from: hoursAgo(9) };
  const newsAt = Date.now() / 1000;
  // wrong was over five hours ago, which its node could tell only now
  await tell(
    [
      { ...claim, sure_to: hoursAgo(5), valid_to: hoursAgo(5) },
      {
        ...claim,
        endpoint_id: right,
        valid_from: hoursAgo(3),
        sure_from: hoursAgo(3),
        sure_to: BEGIN,
        valid_to: BEGIN,
      },
    ],
    hoursAgo(5),
  );
  await insert('requests', [row(hoursAgo(1))]);
  const dirty = await dirtyMinutes(store.writer(), 'flowspan');
  assert.equal(dirty[0], minute(hoursAgo(1)), 'what was never built is first');
  assert.deepEqual(nextMinutes(dirty)[0], dirty[0]);
  const touched = `SELECT toUnixTimestamp(minute) AS at FROM flowspan.touched_minutes GROUP BY minute HAVING max(touched) > ${newsAt} AND at < ${minute(hoursAgo(1))} ORDER BY at`;
  assert.deepEqual(await read(touched), [[minute(hoursAgo(4))], [minute(hoursAgo(2))]], 'from what news change on');
  await buildEdges(store.writer(), 'flowspan');
  await assertEqual('after news that were hours late');
  assert.deepEqual(
    await read(
      "SELECT toUInt32(destination_endpoint_id) FROM flowspan.edges_1m FINAL WHERE cluster = 'w' ORDER BY minute",
    ),
    [[41], [0], [42], [42]],
  );
});

test('minutes that have just passed come from the rows, once built from the rollup, never from both', async () => {
  const now = BigInt(Date.now()) * 1_000_000n;
  const row = (time: bigint) => ({ time, cluster: 'y', outcome: 'ok', sample_weight: 1, destination_endpoint_id: 5 });
  await insert('requests', [row(now), row(now - 10n * SECOND), row(now - 300n * SECOND)]);
  const count = () => read("SELECT sum(requests_ok) FROM flowspan.edges_1m_named WHERE cluster = 'y'");
  assert.deepEqual(await count(), [[3]]);
  await buildEdges(store.writer(), 'flowspan');
  assert.deepEqual(await count(), [[3]]);
  assert.deepEqual(await read("SELECT sum(requests_ok) FROM flowspan.edges_1m FINAL WHERE cluster = 'y'"), [[1]]);
});

test('minutes whose rows were deleted stay as they were built', async () => {
  const { built } = await bothSides();
  const deleted = `fromUnixTimestamp64Nano(toInt64(${BEGIN + 240n * SECOND}), 'UTC')`;
  await store
    .writer()
    .command({ query: `INSERT INTO flowspan.expirations (table_name, expired_before) SELECT 'requests', ${deleted}` });
  await store.writer().command({ query: 'TRUNCATE TABLE flowspan.requests' });
  const claim = { cluster: 'a', address: '::ffff:10.0.0.1', endpoint_id: 9n, valid_from: BEGIN, sure_from: BEGIN };
  await tell([{ ...claim, sure_to: BEGIN, valid_to: BEGIN }], BEGIN);
  // requests are kept for three days, flows for seven: a minute of four days ago cannot be built any more
  await insert('flows', [{ time: BEGIN - 4n * 86_400n * SECOND, cluster: 'x' }]);
  const dirty = await dirtyMinutes(store.writer(), 'flowspan');
  assert.ok(dirty.length > 0 && dirty.every((minute) => minute >= Number(BEGIN / SECOND) + 240), String(dirty));
  await buildEdges(store.writer(), 'flowspan');
  const until = (rows: unknown[]) =>
    (rows as [string][]).filter(([minute]) => Date.parse(`${minute}Z`) / 1000 < Number(BEGIN / SECOND) + 240);
  assert.deepEqual(until((await bothSides()).built), until(built));
});
