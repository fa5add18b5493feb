/**
 * What questions take over a day of traffic (test/bench/traffic), 100 million rows of requests and flows with edges as the
 * store builds them: asked of the real query API over the embedded store, until the answer is read. ROWS in the environment is
 * how many rows the whole day has, HOURS how many of its hours are there; FLOWSPAN_BENCH_DATA names the folder in which the
 * data are kept for later runs (build/bench by default). Making 100 million rows takes about 1,400
 * seconds of processor time and 3 GB; cut off, it goes on where it was. Nobody claims addresses in it. Cold is the first question to a new process of store and API; the kernel's page cache stays.
 */
import { join } from 'node:path';
import { median, printResult, resultOf } from './kit/result.ts';
import { copyAsMaps, MAP_TABLE } from './query/map_copy.ts';
import { type Served, serve } from './query/served.ts';
import { DAY_BEGIN_S } from './traffic/shape.ts';
import { makeStore, trafficKey } from './traffic/store.ts';

const ROWS = Number(process.env.ROWS ?? 100_000_000);
const HOURS = Number(process.env.HOURS ?? 24);
const DATA = process.env.FLOWSPAN_BENCH_DATA ?? join(import.meta.dirname, '../../build/bench');
const ROUNDS = Number(process.env.ROUNDS ?? 12);
const COLD_ROUNDS = Number(process.env.COLD_ROUNDS ?? 3);

/** The hour of the map: the last but one of the working day that is there, seconds since the epoch. */
const HOUR_BEGIN_S = DAY_BEGIN_S + Math.max(0, Math.min(HOURS, 16) - 1) * 3600;
/** Of so much of it there is a copy as maps. */
const COPIED_S = 300;

const BY_WORKLOAD = 'group_by=source_namespace,source_workload,destination_namespace,destination_workload';
const DAY = `since=${DAY_BEGIN_S}&until=${DAY_BEGIN_S + 86_400}`;
const HOUR = `since=${HOUR_BEGIN_S}&until=${HOUR_BEGIN_S + 3600}`;

const dataDir = join(DATA, `traffic-${trafficKey()}-${ROWS}-${HOURS}`);
await makeStore(dataDir, ROWS, HOURS);
const copied = await copyAsMaps(join(dataDir, 'store'), HOUR_BEGIN_S, HOUR_BEGIN_S + COPIED_S);

/** Ids of requests all over the day, and paths that came once in the time that is copied. */
async function samples({ ask, sql }: Served): Promise<{ ids: string[]; paths: string[] }> {
  const ids: string[] = [];
  for (let round = 0; round < ROUNDS + COLD_ROUNDS; round += 1) {
    const second = DAY_BEGIN_S + Math.floor(((round + 0.5) * HOURS * 3600) / (ROUNDS + COLD_ROUNDS));
    const { body } = await ask(`/v1/requests?since=${second}&until=${second + 300}&limit=1`);
    ids.push(body.data[0].id);
  }
  const { text } = await sql(
    `SELECT http_path FROM requests WHERE time >= ${HOUR_BEGIN_S + 60} AND time < ${HOUR_BEGIN_S + COPIED_S - 60} AND observation_point = 'server' AND endsWith(resource, '{id}') ORDER BY cityHash64(http_path) LIMIT ${ROUNDS} FORMAT TabSeparated`,
  );
  return { ids, paths: text.trim().split('\n') };
}

interface Question {
  readonly name: string;
  readonly goal: number;
  /** Path of the question, round by round. */
  readonly path: (round: number) => string;
  readonly check: (body: { data: unknown }) => boolean;
}

const isList = (least: number) => (body: { data: unknown }) => Array.isArray(body.data) && body.data.length >= least;

function questions(ids: readonly string[]): Question[] {
  return [
    { name: 'map', goal: 50, path: () => `/v1/edges?${HOUR}&${BY_WORKLOAD}&limit=1000`, check: isList(20) },
    {
      name: 'id',
      goal: 30,
      path: (round) => `/v1/requests/${ids[round % ids.length]}`,
      check: (body) => body.data !== null,
    },
    {
      name: 'retransmits',
      goal: 200,
      path: () => `/v1/edges?${DAY}&${BY_WORKLOAD}&order=-retransmit_ratio&limit=20`,
      check: isList(20),
    },
  ];
}

async function asked(served: Served, question: Question, round: number): Promise<number> {
  const { ms, body } = await served.ask(question.path(round));
  if (!question.check(body))
    throw new Error(
      `FLOW_BENCH_ANSWER: ${question.name} answered ${JSON.stringify(body).slice(0, 300)}; look at the rows`,
    );
  return ms;
}

/** Times of the first question to a new process, question by question. */
async function coldTimes(ids: readonly string[]): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  for (const question of questions(ids)) {
    const of: number[] = [];
    for (let round = 0; round < COLD_ROUNDS; round += 1) {
      const served = await serve(dataDir);
      of.push(await asked(served, question, ROUNDS + round));
      await served.close();
    }
    times.set(question.name, of);
  }
  return times;
}

const first = await serve(dataDir);
const { ids, paths } = await samples(first);
const warm = new Map<string, number[]>();
const ratios: number[] = [];
const scan: number[] = [];
const ours: number[] = [];
let stored = '';
try {
  stored = (
    await first.sql(
      "SELECT concat(toString((SELECT count() FROM requests)), ' requests, ', toString((SELECT count() FROM flows)), ' flow rows, ', toString((SELECT count() FROM edges_1m)), ' rows of edges_1m')",
    )
  ).text.trim();
  process.stdout.write(`${dataDir}\n${stored}; ${copied} of them as maps\n`);
  for (const question of questions(ids)) {
    await asked(first, question, 0);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) times.push(await asked(first, question, round));
    warm.set(question.name, times);
    process.stdout.write(`${question.name}, warm: ${times.map((ms) => ms.toFixed(0)).join(' ')} ms\n`);
  }
  for (const path of paths) {
    const since = `toDateTime64(${HOUR_BEGIN_S}, 9, 'UTC')`;
    const until = `toDateTime64(${HOUR_BEGIN_S + COPIED_S}, 9, 'UTC')`;
    // the bound as the API writes it
    const last = `fromUnixTimestamp64Nano(${BigInt(HOUR_BEGIN_S + COPIED_S) * 1_000_000_000n - 1n}, 'UTC')`;
    const columns = await first.sql(
      `SELECT time, lower(hex(trace_id)) AS trace_id, operation, resource, duration_ns, outcome FROM requests WHERE time >= ${since} AND time <= ${last} AND observation_point = 'server' AND http_path = '${path}' ORDER BY time DESC LIMIT 100 FORMAT JSONEachRow`,
    );
    const map = await first.sql(
      `SELECT Timestamp, TraceId, SpanName, ServiceName, Duration, StatusCode FROM ${MAP_TABLE} WHERE Timestamp >= ${since} AND Timestamp < ${until} AND SpanAttributes['url.path'] = '${path}' ORDER BY Timestamp DESC LIMIT 100 FORMAT JSONEachRow`,
    );
    const found = [columns.text, map.text].map((text) => text.trim().split('\n').filter(Boolean).length);
    if (found.some((rows) => rows !== 1)) {
      throw new Error(`FLOW_BENCH_ANSWER: ${path} is found ${found.join(' and ')} times; look at the copy`);
    }
    ours.push(columns.ms);
    scan.push(map.ms);
    ratios.push(map.ms / columns.ms);
    process.stdout.write(`attribute: ${columns.ms.toFixed(0)} ms, map ${map.ms.toFixed(0)} ms\n`);
  }
} finally {
  await first.close();
}
const cold = await coldTimes(ids);

const scale = `${stored}${HOURS < 24 ? `, ${HOURS} hours of the day` : ''}`;
const shares: number[] = [];
for (const { name, goal } of questions(ids)) {
  const limit = `on ${scale}`;
  const aim = { unit: 'ms', goal, better: 'lower' } as const;
  printResult(resultOf(`query-${name}-cold`, cold.get(name)!, { ...aim, limit }));
  const result = resultOf(`query-${name}`, warm.get(name)!, { ...aim, limit });
  printResult(result);
  shares.push(result.value / goal);
}
const peer = { name: `Map scan of ${copied} rows`, value: Number(median(scan).toFixed(1)), unit: 'ms' };
const attribute = resultOf('query-attribute', ratios, {
  unit: 'x',
  goal: 10,
  better: 'higher',
  peer,
  limit: `ours ${median(ours).toFixed(1)} ms`,
});
printResult(attribute);
shares.push(10 / attribute.value);
printResult(
  resultOf('query', [Math.max(...shares)], {
    unit: 'of the goal, the worst question',
    goal: 1,
    better: 'lower',
    limit: `on ${scale}`,
  }),
);
