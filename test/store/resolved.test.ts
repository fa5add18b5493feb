/** Rows are resolved as the rule says, against histories whose truth is known. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { resolvedName, resolvedRows } from '../../store/resolved.ts';
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { random } from '../support/abuser.ts';
import { type Branch, History } from './claim_history.ts';
import { RunningStore } from './running_store.ts';

const BEGIN = (BigInt(Date.now()) / 60_000n) * 60_000_000_000n - 1_800_000_000_000n;
const ROWS_PER_TABLE = 1500;
/** How a row tells how long before its time its ends were settled; an event by the longer of two. */
const AGES = {
  flows: (age: bigint) => ({ given_connection_age_ns: age }),
  requests: (age: bigint) => ({ duration_ns: age }),
  tcp_events: (age: bigint, number: number) =>
    number % 2 === 0 ? { connection_age_ns: age, latency_ns: age / 3n } : { connection_age_ns: 0, latency_ns: age },
} as const;
const SOME_ID = 4711n;

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
});
after(() => store.close());

/** An end of a row: what it says, and what the rule makes of it. */
interface End {
  readonly basis: string;
  readonly stamp: bigint;
  readonly endpoint_id: bigint;
  readonly branch: Branch | 'final';
  readonly truth: bigint;
}

function endAt(history: History, chance: () => number, cluster: string, address: string, at: bigint): End {
  const truth = history.owner(cluster, address, at);
  const holders = history.holdings.filter((one) => one.cluster === cluster && one.address === address);
  const stamps = [0n, truth, SOME_ID, holders[Math.floor(chance() * holders.length)]!.endpoint_id];
  const stamp = stamps[Math.floor(chance() * stamps.length)]!;
  const basis = ['none', 'address', 'address', 'socket', 'cgroup'][Math.floor(chance() * 5)]!;
  if (basis === 'socket' || basis === 'cgroup') return { basis, stamp, truth, endpoint_id: stamp, branch: 'final' };
  return { basis, stamp, truth, ...history.decide(cluster, address, at, stamp) };
}

async function insert(database: string, table: string, values: readonly object[]): Promise<void> {
  await store.writer().insert({
    table: `${database}.${table}`,
    values: values.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? value : `${value}`]),
      ),
    ),
    columns: [...new Set(values.flatMap(Object.keys))] as [string, ...string[]],
    format: 'JSONEachRow',
  });
}

async function read(query: string): Promise<Map<number, string[]>> {
  const result = await store.reader().query({
    query,
    format: 'JSONCompactEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
  });
  return new Map((await result.json<[number, ...string[]]>()).map(([number, ...rest]) => [number, rest.map(String)]));
}

for (const [seed, late] of [
  [1, false],
  [2, true],
] as const) {
  test(`SQL and rule say the same of every row${late ? ' while news is late' : ', and never name one who was not it'}`, async () => {
    const chance = random(seed);
    const history = new History(chance, BEGIN, late);
    const database = `history_${seed}`;
    await migrate(store.writer(), database);
    const claims = history.claims.map((claim) => ({ ...claim, node: 'n', changed_from: BEGIN, updated: BEGIN }));
    await insert(database, 'endpoint_addresses', claims);
    const seen = new Map<string, number>();
    for (const table of [FLOWS, REQUESTS, TCP_EVENTS]) {
      const expected = new Map<number, End[]>();
      const rows = Array.from({ length: ROWS_PER_TABLE }, (_, number) => {
        const cluster = chance() < 0.5 ? 'a' : 'b';
        const at = BEGIN + BigInt(Math.floor(chance() * 620e9));
        const age = number % 5 === 0 ? 4n * 3_600_000_000_000n - history.span(30) : history.span(30);
        const address = () => `10.0.0.${1 + Math.floor(chance() * 5)}`;
        const [from, to, service] = [address(), address(), chance() < 0.3];
        const ends = [from, to].map((one) => endAt(history, chance, cluster, one.replace('.5', '.4'), at)) as [
          End,
          End,
        ];
        expected.set(number, ends);
        return {
          ...{ time: at + age, cluster, socket_cookie: number, protocol: 6 },
          ...AGES[table.name as keyof typeof AGES](age, number),
          ...{ source_endpoint_id: ends[0].stamp, destination_endpoint_id: ends[1].stamp },
          ...{ source_basis: ends[0].basis, destination_basis: ends[1].basis },
          source_address: number % 3 === 0 ? '::ffff:192.0.2.1' : `::ffff:${from.replace('.5', '.4')}`,
          ...(number % 3 === 0 ? { client_address: `::ffff:${from.replace('.5', '.4')}` } : {}),
          destination_address: service ? '::ffff:10.96.0.1' : `::ffff:${to.replace('.5', '.4')}`,
          ...(service ? { backend_address: `::ffff:${to.replace('.5', '.4')}`, backend_port: 80 } : {}),
        };
      });
      await insert(database, table.name, rows);
      const columns =
        'socket_cookie, source_endpoint_id, destination_endpoint_id, stamped_source_endpoint_id, stamped_destination_endpoint_id';
      const answered = await read(
        `SELECT toUInt32(socket_cookie), ${columns.slice(15)} FROM ${database}.${resolvedName(table)}`,
      );
      assert.equal(answered.size, ROWS_PER_TABLE);
      for (const [number, ends] of expected) {
        assert.deepEqual(
          answered.get(number),
          [...ends.map((end) => end.endpoint_id), ...ends.map((end) => end.stamp)].map(String),
          `${table.name} ${number}: ${ends.map(({ branch }) => branch).join(' → ')}`,
        );
        for (const end of ends) {
          const how = end.branch === 'final' || end.endpoint_id === 0n ? end.branch : `${end.branch}, named`;
          seen.set(how, (seen.get(how) ?? 0) + 1);
          const isStamp = end.branch === 'final' || end.branch === 'stamp';
          if (!late && !isStamp && end.endpoint_id !== 0n && end.truth !== 0n) assert.equal(end.endpoint_id, end.truth);
        }
      }
      const [since, until] = [60n, 300n].map(
        (seconds) => `fromUnixTimestamp64Nano(${BEGIN + seconds * 1_000_000_000n}, 'UTC')`,
      ) as [string, string];
      const select = `SELECT toUInt32(socket_cookie), source_endpoint_id, destination_endpoint_id FROM`;
      const within = `WHERE time >= ${since} AND time < ${until}`;
      assert.deepEqual(
        await read(`${select} ${resolvedRows(database, table, { since, until })} ${within}`),
        await read(`${select} ${database}.${resolvedName(table)} ${within}`),
        'claims outside the window do not matter',
      );
      // by then every claim is over by hours: rows of connections that began while they held are told all the same
      const [after, later] = [7200n, 18_000n].map(
        (seconds) => `fromUnixTimestamp64Nano(${BEGIN + seconds * 1_000_000_000n}, 'UTC')`,
      ) as [string, string];
      const ofOld = `WHERE time >= ${after} AND time < ${later}`;
      const old = await read(`${select} ${resolvedRows(database, table, { since: after, until: later })} ${ofOld}`);
      assert.ok(old.size > ROWS_PER_TABLE / 10, `${old.size} rows of old connections`);
      assert.deepEqual(old, await read(`${select} ${database}.${resolvedName(table)} ${ofOld}`), 'nor for old ones');
    }
    if (late) assert.ok((seen.get('several sure') ?? 0) > 20, 'two sure from the same moment happen');
    for (const branch of ['final', 'sure, named', 'only one, named', 'several', 'not then', 'stamp, named', 'stamp']) {
      assert.ok((seen.get(branch) ?? 0) > 20, `${branch} happens: ${JSON.stringify([...seen])}`);
    }
  });
}

test('nobody claims any address: rows are what they say', async () => {
  await migrate(store.writer(), 'unclaimed');
  const ends = { source_basis: 'address', source_address: '::ffff:10.0.0.1', source_endpoint_id: 7, socket_cookie: 1 };
  await insert('unclaimed', 'flows', [{ time: BEGIN, ...ends }]);
  assert.deepEqual(
    await read(
      `SELECT toUInt32(socket_cookie), source_endpoint_id, stamped_source_endpoint_id FROM unclaimed.flows_resolved`,
    ),
    new Map([[1, ['7', '7']]]),
  );
});
