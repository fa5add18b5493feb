/**
 * Who was who, judged by what the pods themselves knew: each row's cgroup tells whose end it was observed at, and each
 * request names who sent it in its path. Compared with that is what the store says, and what it would say of the same
 * rows if both their ends had been on nodes that nobody watches: a copy of the rows is stripped of all that their
 * collectors knew, and moved into the past, where its minutes are built at once.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { endpointId } from '../../../../collector/src/control/identity.ts';
import { openClient } from '../../../../collector/src/deliver/clickhouse.ts';
import { migrate } from '../../../../store/migrate.ts';
import { insertColumns } from '../../../../store/remainders.ts';
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../../../store/tables.ts';
import { buildEdges } from '../../../store/edges.ts';
import type { LivedPod } from './churn.ts';
import { fromRows, rolledUp } from './edges.ts';
import { OUTSIDER } from './node.ts';
import type { ChurnScene } from './scene.ts';
import { WRITER_PASSWORD } from './scene.ts';

/** How many rows say the truth about an end, nothing, or something else. */
export interface Verdict {
  readonly what: string;
  readonly rows: number;
  readonly unknown: number;
  readonly wrong: number;
}

/** SQL over a row, of one of its ends. */
type SqlOfEnd = (end: 'source' | 'destination') => string;

export const OBSERVED = 'flowspan';
/** The copy: ends are told by address and time alone. */
export const STRIPPED = 'flowspan_stripped';
const ROW_TABLES = ['flows', 'requests', 'tcp_events'] as const;
/** What of each table is judged by itself: events that the kernel side has no connection for tell only of their moment. */
export const OF_NO_CONNECTION = 'tcp_events without a connection';
const judgedAs = (table: string) =>
  table === 'tcp_events' ? `if(connection_age_ns = 0, '${OF_NO_CONNECTION}', '${table}')` : `'${table}'`;
/** Whole minutes by which the copy is older. */
const OLDER_MIN = 10;
const PATIENCE_MS = 120_000;

export class Judge {
  readonly #client: ClickHouseClient;
  readonly #scene: ChurnScene;

  constructor(scene: ChurnScene) {
    this.#scene = scene;
    const account = { username: 'collector', password: WRITER_PASSWORD };
    this.#client = openClient(scene.store.storeUrl, account, OBSERVED);
  }

  async query<Row>(query: string): Promise<Row[]> {
    const answer = await this.#client.query({
      query,
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
      abort_signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return answer.json<Row>();
  }

  async run(query: string): Promise<void> {
    await this.#client.command({ query, abort_signal: AbortSignal.timeout(PATIENCE_MS) });
  }

  /** Writes down who was who, and makes the copy, which knows of no addresses yet. */
  async prepare(pods: readonly LivedPod[]): Promise<void> {
    await migrate(this.#client, STRIPPED);
    await this.run(
      `CREATE TABLE ${STRIPPED}.truth (name String, cgroup_id UInt64, endpoint_id UInt64, is_short Bool, life_ms UInt32)
       ENGINE = MergeTree ORDER BY cgroup_id`,
    );
    const values = pods.map(({ uid, name, cgroupId, isShort, begunMs, endedMs }) => ({
      ...{ name, cgroup_id: cgroupId, endpoint_id: endpointId('pod', uid).toString() },
      ...{ is_short: isShort, life_ms: endedMs - begunMs },
    }));
    await this.#client.insert({ table: `${STRIPPED}.truth`, values, format: 'JSONEachRow' });
    const unknown = ['source', 'destination'].map((end) => `0 AS ${end}_endpoint_id, 'none' AS ${end}_basis`);
    for (const table of [FLOWS, REQUESTS, TCP_EVENTS]) {
      const names = table.columns.map(({ name }) => name).join(', ');
      await this.run(
        `INSERT INTO ${STRIPPED}.${table.name} ${insertColumns(table)}
         SELECT * REPLACE (time - toIntervalMinute(${OLDER_MIN}) AS time, ${unknown.join(', ')}) FROM (SELECT ${names} FROM ${OBSERVED}.${table.name})`,
      );
    }
  }

  /** News of addresses comes late to the copy. */
  async tellAddresses(): Promise<void> {
    const moved = ['valid_from', 'sure_from', 'sure_to', 'valid_to', 'changed_from'].map(
      (bound) => `${bound} - toIntervalMinute(${OLDER_MIN}) AS ${bound}`,
    );
    await this.run(
      `INSERT INTO ${STRIPPED}.endpoint_addresses
       SELECT * REPLACE (${moved.join(', ')}, now64(9) AS updated) FROM ${OBSERVED}.endpoint_addresses FINAL`,
    );
  }

  /** What rows say about the ends that they were observed at. */
  ownEnds(database: string): Promise<Verdict[]> {
    const one = (table: string) => `
      SELECT concat(${judgedAs(table)}, ', observed end') AS what, t.endpoint_id AS truth,
        if(observation_point = 'client', source_endpoint_id, destination_endpoint_id) AS told
      FROM ${database}.${table}_resolved AS r JOIN ${STRIPPED}.truth AS t ON r.socket_cgroup_id = t.cgroup_id
      WHERE observation_point IN ('client', 'server')`;
    return this.#verdicts(ROW_TABLES.map(one));
  }

  /** What rows say about the other ends. @param column `endpoint_id` after its end, or what was stamped at first */
  otherEnds(database: string, told: SqlOfEnd, where: SqlOfEnd = () => '1'): Promise<Verdict[]> {
    const served = `
      SELECT http_path, t.endpoint_id AS endpoint_id FROM ${OBSERVED}.requests AS r
      JOIN ${STRIPPED}.truth AS t ON r.socket_cgroup_id = t.cgroup_id WHERE observation_point = 'server'`;
    const tuple = 'source_address, source_port, destination_address, destination_port';
    const accepted = `
      SELECT DISTINCT ${tuple}, t.endpoint_id AS endpoint_id, r.time - toIntervalNanosecond(connection_age_ns) AS opened
      FROM ${database}.flows AS r JOIN ${STRIPPED}.truth AS t ON r.socket_cgroup_id = t.cgroup_id
      WHERE observation_point = 'server' AND flow_state = 'opened'`;
    const asked = `
      SELECT DISTINCT ${tuple}, t.endpoint_id AS endpoint_id, r.time - toIntervalNanosecond(connection_age_ns) AS opened
      FROM ${database}.flows AS r JOIN ${STRIPPED}.truth AS t ON r.socket_cgroup_id = t.cgroup_id
      WHERE observation_point = 'client'`;
    const ofTuple = tuple.split(', ').map((column) => `r.${column} = s.${column}`);
    const sinceOpened = [...ofTuple, 'r.time >= s.opened'].join(' AND ');
    return this.#verdicts([
      `SELECT 'requests, server' AS what, s.endpoint_id AS truth, ${told('destination')} AS told
       FROM ${database}.requests_resolved AS r JOIN (${served}) AS s ON r.http_path = s.http_path
       WHERE observation_point = 'client' AND ${where('destination')}`,
      `SELECT 'requests, client' AS what, t.endpoint_id AS truth, ${told('source')} AS told
       FROM ${database}.requests_resolved AS r JOIN ${STRIPPED}.truth AS t ON splitByChar('/', r.http_path)[2] = t.name
       WHERE observation_point = 'server' AND ${where('source')}`,
      `SELECT 'flows, server' AS what, s.endpoint_id AS truth, ${told('destination')} AS told
       FROM ${database}.flows_resolved AS r JOIN (${accepted}) AS s USING (${tuple})
       WHERE observation_point = 'client' AND ${where('destination')}
         AND abs(toUnixTimestamp64Nano(s.opened) - toUnixTimestamp64Nano(r.time) + r.connection_age_ns) < 1e9`,
      `SELECT concat(${judgedAs('tcp_events')}, ', server') AS what, s.endpoint_id AS truth, ${told('destination')} AS told
       FROM ${database}.tcp_events_resolved AS r ASOF JOIN (${accepted}) AS s ON ${sinceOpened}
       WHERE observation_point = 'client' AND event_kind != 'connect_failed' AND ${where('destination')}`,
      // Of packets that no socket took or sent, those that tell who dialled.
      `SELECT '${OF_NO_CONNECTION}, client' AS what, s.endpoint_id AS truth, ${told('source')} AS told
       FROM ${database}.tcp_events_resolved AS r ASOF JOIN (${asked}) AS s ON ${sinceOpened}
       WHERE observation_point = 'unknown' AND initiator_known AND ${where('source')}`,
    ]);
  }

  /** The same of those that a collector could tell by their address only. */
  byAddress(told: SqlOfEnd): Promise<Verdict[]> {
    return this.otherEnds(OBSERVED, told, (end) => `${end}_basis IN ('address', 'none')`);
  }

  /** Pods that lived shortly, with the name that their connections have. */
  shortLived(): Promise<{ readonly name: string; readonly lifeMs: number; readonly told: string }[]> {
    return this.query(
      `SELECT DISTINCT t.name AS name, t.life_ms AS lifeMs,
         if(r.observation_point = 'client', r.source_name, r.destination_name) AS told
       FROM ${OBSERVED}.flows_named AS r JOIN ${STRIPPED}.truth AS t ON r.socket_cgroup_id = t.cgroup_id
       WHERE t.is_short ORDER BY lifeMs`,
    );
  }

  /** Whether the intervals of all pods are in the store, and have ended. */
  async allEnded(pods: number): Promise<boolean> {
    const [found] = await this.query<{ ended: number; open: number }>(
      `SELECT uniqIf(endpoint_id, valid_to < '2261-01-01') AS ended, countIf(valid_to > '2261-01-01') AS open
       FROM ${OBSERVED}.endpoint_addresses FINAL`,
    );
    return found !== undefined && found.ended === pods && found.open === 0;
  }

  /** From when on addresses were surely their pods' until that was written: shares of them by seconds. */
  async lateness(): Promise<string> {
    const counts = new Map<string, number>();
    for (const { collectorUrl } of this.#scene.collectors) {
      const page = await (await fetch(`${collectorUrl}/metrics`)).text();
      const buckets = page.matchAll(/^flowspan_kubernetes_address_told_late_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
      for (const [, le, count] of buckets) counts.set(le as string, (counts.get(le as string) ?? 0) + Number(count));
    }
    const all = counts.get('+Inf') ?? 0;
    const parts = [...counts].map(([le, count]) => `${((100 * count) / all).toFixed(1)} % within ${le} s`);
    const first = parts.findIndex((part) => !part.startsWith('0.0'));
    const last = parts.findIndex((part) => part.startsWith('100.0'));
    return `${all} addresses: ${parts.slice(first, last + 1).join(', ')}`;
  }

  /** Builds the minutes of the rollup that can be built. @returns how many edges of them are not what the rows say */
  async builtEdges(
    database: string,
  ): Promise<{ readonly minutes: number; readonly edges: number; readonly differ: number }> {
    await buildEdges(this.#client, database);
    const built = `minute IN (SELECT minute FROM ${database}.edges_1m)`;
    const [rolled, rows] = [rolledUp(database, built), fromRows(database, built)];
    const [found] = await this.query<{ minutes: number; edges: number; differ: number }>(
      `SELECT (SELECT uniqExact(minute) FROM ${database}.edges_1m) AS minutes, (SELECT count() FROM (${rows})) AS edges,
         (SELECT count() FROM (${rolled} EXCEPT ${rows})) + (SELECT count() FROM (${rows} EXCEPT ${rolled})) AS differ`,
    );
    return found as { minutes: number; edges: number; differ: number };
  }

  /** How long after the end of its minute the rollup of the churn was built at last: median and most, seconds. */
  async builtLate(): Promise<string> {
    const [found] = await this.query<{ late: number[] }>(
      `SELECT quantilesExact(0.5, 1)(late) AS late FROM (
         SELECT minute, toUnixTimestamp(max(build)) - toUnixTimestamp(minute) - 60 AS late FROM ${OBSERVED}.edges_1m GROUP BY minute)`,
    );
    return (found?.late ?? []).join(' to ');
  }

  /** Edges of the rollup with an end that is known. */
  async knownEdges(database: string): Promise<number> {
    const [found] = await this.query<{ known: number }>(
      `SELECT count() AS known FROM (${rolledUp(database, '(source_endpoint_id > 0 OR destination_endpoint_id > 0)')})`,
    );
    return found?.known ?? 0;
  }

  /** What rows say of who asked from outside: anything but a pod is right. */
  outsiders(database: string): Promise<Verdict[]> {
    return this.query<Verdict>(
      `SELECT 'requests from outside' AS what, count() AS rows, countIf(source_endpoint_id = 0) AS unknown,
         countIf(source_endpoint_id IN (SELECT endpoint_id FROM ${STRIPPED}.truth)) AS wrong
       FROM ${database}.requests_resolved WHERE splitByChar('/', http_path)[2] = '${OUTSIDER}'`,
    );
  }

  async #verdicts(selects: readonly string[]): Promise<Verdict[]> {
    return this.query<Verdict>(
      `SELECT what, count() AS rows, countIf(told = 0) AS unknown, countIf(told NOT IN (0, truth)) AS wrong
       FROM (${selects.join(' UNION ALL ')}) GROUP BY what ORDER BY what`,
    );
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
