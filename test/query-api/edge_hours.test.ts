/** /v1/edges over hours: edges_1h says what the minutes and the rows say, and is not asked for what is to be built again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { loadConfig } from '../../collector/src/config.ts';
import { readEdgesQuestion } from '../../query-api/src/edges.ts';
import type { Window } from '../../query-api/src/question.ts';
import { EVERYTHING } from '../../query-api/src/scope.ts';
import { partsOf } from '../../query-api/src/sql/edge_sources.ts';
import { edgesSql } from '../../query-api/src/sql/edges.ts';
import { hourBuiltSql, hoursChangeSql } from '../../store/edge_hours.ts';
import { ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { buildEdges } from '../store/edges.ts';
import { BEGIN, clientView, endpoint, event, flow, MS, request, SECOND } from './rows.ts';
import { Scene } from './scene.ts';

const HOUR = 3600n * SECOND;
/** Begin of the first of three whole hours that have passed. */
const FIRST = (BEGIN / HOUR - 4n) * HOUR;
/** A time as the makers of rows take it: from BEGIN on. */
const at = (seconds: number) => FIRST + BigInt(Math.round(seconds * 1000)) * MS - BEGIN;
/** When something happens in each hour, seconds. */
const SECONDS = [5, 630, 1800, 3599.999] as const;

/** Begins of the hours, seconds since the epoch. */
const HOURS = [0, 1, 2].map((hour) => Number(FIRST / SECOND) + hour * 3600);

let scene: Scene;

/** Which of the hours are built. */
async function areBuilt(): Promise<boolean[]> {
  const query = `SELECT is_built FROM flowspan.edge_hours FINAL WHERE toUnixTimestamp(hour) IN (${HOURS.join(', ')}) ORDER BY hour`;
  const result = await scene.store.writer().query({ query, format: 'JSONCompactEachRow' });
  return (await result.json<[number]>()).map(([isBuilt]) => isBuilt === 1);
}

/** Builds until all hours are: the store builds as well, and notes before that they are to be. */
async function buildAll(): Promise<void> {
  for (let tries = 0; tries < 20; tries += 1) {
    await buildEdges(scene.store.writer(), 'flowspan');
    if ((await areBuilt()).filter(Boolean).length === HOURS.length) return;
    await wait(1000);
  }
  assert.fail('hours are not built');
}

before(async () => {
  scene = await Scene.start();
  await scene.insert(ENDPOINTS, [
    endpoint(1n, 'curl', { namespace: 'a' }),
    endpoint(2n, 'nginx', { name: 'nginx-1' }),
    endpoint(3n, 'nginx', { name: 'nginx-2' }),
  ]);
  // both pods of nginx are observed, but the second only in the last hour; some ends are of another hour at the client
  const servers = Array.from({ length: 360 }, (_, index) =>
    request(at(Math.floor(index / 120) * 3600 + SECONDS[index % SECONDS.length]!) + BigInt(index), {
      request_index: index,
      request_sequence: 1000 + index,
      destination_endpoint_id: index % 3 === 0 ? 3n : 2n,
      duration_ns: BigInt(index + 1) * MS,
      http_status_code: index % 10 === 9 ? 503 : index % 10 === 8 ? 404 : 200,
    }),
  );
  const seen = servers.filter((_, index) => index % 3 !== 0 || index >= 240);
  await scene.insert(REQUESTS, [...seen, ...servers.map((server) => clientView(server, MS))]);
  const flows = Array.from({ length: 36 }, (_, index) =>
    flow(at((index % 3) * 3600 + SECONDS[index % SECONDS.length]!), {
      flow_state: index % 6 === 0 ? 'opened' : 'active',
      observation_point: index % 4 === 0 ? 'client' : 'server',
      destination_endpoint_id: index % 5 === 0 ? 3n : 2n,
      segments_sent: 10 + index,
      retransmitted_segments: index % 7,
      bytes_sent: BigInt(1000 + index),
      bytes_received: 500n,
      srtt_us: index * 10,
      min_rtt_us: index === 0 ? 0 : 90 + index,
    }),
  );
  await scene.insert(FLOWS, flows);
  await scene.insert(TCP_EVENTS, [event(at(5)), event(at(3605), { observation_point: 'client' })]);
  await buildAll();
});
after(() => scene.close());

const builtHours: Window[] = [{ since: FIRST, until: FIRST + 3n * HOUR }];

interface Asked {
  readonly since: number;
  readonly until: number;
  readonly group_by: string;
  readonly order?: string;
  readonly interval?: string;
}

function questionOf({ since, until, group_by, order = '-requests', interval }: Asked, built: readonly Window[]) {
  const time = (seconds: number) => (BEGIN + at(seconds)) / SECOND;
  const query = {
    ...{ since: [String(time(since))], until: [String(time(until))], group_by: [group_by], order: [order] },
    ...(interval === undefined ? {} : { interval: [interval] }),
  };
  const read = readEdgesQuestion(query, undefined, { ...EVERYTHING, claims: 'none' }, loadConfig([], {}).query_api);
  return { ...read, builtUntil: read.until, builtHours: built };
}

async function answerTo(question: ReturnType<typeof questionOf>, page?: number): Promise<Record<string, unknown>[]> {
  const { sql, parameters } = edgesSql(question, 0, page ?? 1000, page !== undefined);
  const reader = scene.store.reader({ database: 'flowspan' });
  return await (await reader.query({ query: sql, query_params: parameters.values, format: 'JSONEachRow' })).json();
}

/** The same from hours, minutes and rows; returns what they say. */
async function compare(asked: Asked, isHourly = true): Promise<Record<string, unknown>[]> {
  const hours = questionOf(asked, builtHours);
  assert.equal(partsOf(hours).hours !== undefined, isHourly, JSON.stringify(asked));
  const minutes = questionOf(asked, []);
  assert.deepEqual([partsOf(minutes).hours, partsOf(minutes).minutes.length], [undefined, 1]);
  const told = await answerTo(hours);
  assert.ok(told.length > 0);
  assert.deepEqual(told, await answerTo(minutes), `minutes: ${JSON.stringify(asked)}`);
  assert.deepEqual(told, await answerTo({ ...minutes, from: 'rows' }), `rows: ${JSON.stringify(asked)}`);
  assert.deepEqual(await answerTo(hours, 2), told.slice(0, 2), `page first: ${JSON.stringify(asked)}`);
  return told;
}

const WORKLOADS = 'source_namespace,source_workload,destination_namespace,destination_workload';

test('hours say what minutes and rows say, whatever part of the time they cover', async () => {
  const [whole] = await compare({ since: 0, until: 3 * 3600, group_by: WORKLOADS });
  assert.equal(whole!.requests, 350, 'ten are of an hour in which the end of the second pod was not observed yet');
  await compare({ since: 3600, until: 7200, group_by: WORKLOADS, order: '-retransmit_ratio' });
  await compare({ since: 1260, until: 9000, group_by: WORKLOADS, order: 'p99_duration_ns' });
  await compare({ since: 0, until: 3 * 3600, group_by: 'cluster,destination_kind', order: '-bytes_from_client' });
  await compare({
    since: 0,
    until: 3 * 3600,
    group_by: 'destination_workload',
    interval: '1h',
    order: 'interval_start',
  });
  await compare({ since: 100, until: 3 * 3600, group_by: 'source_workload', interval: '2h', order: '-requests' });
});

test('what hours are not by comes from minutes', async () => {
  await compare({ since: 0, until: 3 * 3600, group_by: 'destination_name' }, false);
  await compare({ since: 0, until: 3 * 3600, group_by: 'destination_port' }, false);
  await compare({ since: 0, until: 3 * 3600, group_by: 'source_workload', interval: '30m' }, false);
  await compare({ since: 60, until: 3540, group_by: WORKLOADS }, false);
});

test('an hour is told to be built until one of its minutes is to change, and when it is built again', async () => {
  const run = (query: string) => scene.store.writer().command({ query });
  await run(hoursChangeSql('flowspan', [HOURS[1]!, HOURS[1]! + 60]));
  assert.equal((await areBuilt())[1], false);
  const late = [0, 1, 2, 3].map((index) =>
    request(at(3610 + index), {
      request_index: 900 + index,
      request_sequence: 9000 + index,
      destination_endpoint_id: 2n,
    }),
  );
  await scene.insert(REQUESTS, late);
  await buildAll();
  const [whole] = await compare({ since: 0, until: 3 * 3600, group_by: WORKLOADS });
  assert.equal(whole!.requests, 354);
  const begun = String(BigInt(Date.now()) * 1_000_000n);
  await wait(10);
  await run(hoursChangeSql('flowspan', [HOURS[1]!]));
  await run(hourBuiltSql('flowspan', HOURS[1]!, begun));
  assert.equal((await areBuilt())[1], false, 'a build that began before does not contradict it');
});

test('what a build does not find any more is gone', async () => {
  const renamed = [2n, 3n].map((id) => endpoint(id, 'web', { updated: BEGIN + SECOND }));
  await scene.insert(ENDPOINTS, renamed);
  await scene.store.writer().command({ query: hoursChangeSql('flowspan', HOURS) });
  await buildAll();
  const all = await compare({ since: 0, until: 3 * 3600, group_by: WORKLOADS });
  assert.deepEqual([all.length, all[0]!.k3], [1, 'web']);
});
