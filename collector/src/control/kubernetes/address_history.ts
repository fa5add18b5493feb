/**
 * What earlier runs have written about addresses of this node's pods and left open: read back, so that it has an end.
 * Nobody runs on a node that is gone: what its collector left is ended by one of the others.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import type { OwnAddresses, StoredInterval } from './own_addresses.ts';

export interface AddressHistoryOptions {
  readonly client: Pick<ClickHouseClient, 'query'>;
  readonly cluster: string;
  /** Who writes: column `node`. */
  readonly node: string;
  readonly addresses: OwnAddresses;
  /** When this run began to watch, nanoseconds since the epoch. */
  readonly startedNs: bigint;
  readonly nowNs: () => bigint;
  /** Whether it is known which pods are there and all that an earlier run wrote has been stored. */
  readonly isKnown: () => boolean;
  /** Tells which nodes are not there any more, on the one node that ends what they left open; undefined on others. */
  readonly goneNodes: () => ((node: string) => boolean) | undefined;
  readonly log: Logger;
}

const UNTIL_KNOWN_MS = 1000;
/**
 * Pauses after each time that it was read; the last one holds on. Two collectors of one node may meet for a while, when
 * one takes the other's place: what the other wrote last is found the second time.
 */
const PAUSES_MS = [120_000, 6 * 3_600_000];
/**
 * Seconds after its last report, or its last row, for which another collector of this node may be alive: it knows more
 * of the pods that are unknown here. Below the first pause, so that what a crash left is ended then.
 */
const ALIVE_S = 60;
/**
 * Seconds without a report after which nobody is at work under the name of a node that the API server does not know:
 * collectors may be named otherwise than their nodes are.
 */
const GONE_S = 3600;
/** Nodes whose intervals are ended at a time. */
const MOST_GONE = 100;
/** A report of another run than this one. */
const IS_OTHERS = 'toUnixTimestamp64Nano(started) != {started: Int64}';
const IS_OPEN = "valid_to = toDateTime64('2262-01-01 00:00:00', 9, 'UTC')";

/** Column as nanoseconds since the epoch, as text: JSON numbers are too short for them. */
const ns = (column: string) => `toString(toUnixTimestamp64Nano(${column}))`;

interface StoredRow {
  readonly address: string;
  readonly endpoint_id: string;
  readonly basis: string;
  readonly valid_from_ns: string;
  readonly sure_from_ns: string;
  readonly updated_ns: string;
  readonly writer_may_live: number;
}

/** Reads open intervals back: once at the start, once soon after, and every few hours. Ends when it is told to. */
export async function readAddressesBack(options: AddressHistoryOptions, signal: AbortSignal): Promise<void> {
  let times = 0;
  while (!signal.aborted) {
    let pauseMs = UNTIL_KNOWN_MS;
    if (options.isKnown()) {
      try {
        await readBack(options);
        pauseMs = PAUSES_MS[Math.min(times, PAUSES_MS.length - 1)] as number;
        times += 1;
      } catch (error) {
        options.log.warn({ err: error }, 'cannot read back which addresses the pods of this node had');
      }
    }
    await wait(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function readBack(options: AddressHistoryOptions): Promise<void> {
  const { addresses, node, nowNs, goneNodes } = options;
  addresses.adopt(await openIntervals(options, node), await watchedUntil(options, node), nowNs());
  const isGone = goneNodes();
  if (isGone === undefined) return;
  const writers = await ask<{ readonly node: string }>(
    options,
    `SELECT DISTINCT node FROM endpoint_addresses FINAL
     WHERE cluster = {cluster: String} AND node != {node: String} AND ${IS_OPEN} AND node NOT IN (
       SELECT node FROM collector_reports
       WHERE cluster = {cluster: String} AND time > now64(9) - toIntervalSecond(${GONE_S}))
     ORDER BY node`,
    node,
  );
  for (const { node: gone } of writers.filter((writer) => isGone(writer.node)).slice(0, MOST_GONE))
    addresses.endOthers(await openIntervals(options, gone), await watchedUntil(options, gone), nowNs());
}

async function openIntervals(options: AddressHistoryOptions, node: string): Promise<StoredInterval[]> {
  const rows = await ask<StoredRow>(
    options,
    `SELECT replaceOne(toString(address), '::ffff:', '') AS address, toString(endpoint_id) AS endpoint_id, basis,
         ${ns('valid_from')} AS valid_from_ns, ${ns('sure_from')} AS sure_from_ns, ${ns('updated')} AS updated_ns,
         greatest(updated, (
           SELECT max(time) FROM collector_reports WHERE cluster = {cluster: String} AND node = {node: String} AND ${IS_OTHERS}
         )) > now64(9) - toIntervalSecond(${ALIVE_S}) AS writer_may_live
     FROM endpoint_addresses FINAL WHERE cluster = {cluster: String} AND node = {node: String} AND ${IS_OPEN}`,
    node,
  );
  return rows.map((row) => ({
    address: row.address,
    endpointId: BigInt(row.endpoint_id),
    isNodes: row.basis === 'node',
    validFromNs: BigInt(row.valid_from_ns),
    sureFromNs: BigInt(row.sure_from_ns),
    updatedNs: BigInt(row.updated_ns),
    writerMayLive: row.writer_may_live !== 0,
  }));
}

/** Until when other runs on a node watched, nanoseconds since the epoch; undefined if that is not known. */
async function watchedUntil(options: AddressHistoryOptions, node: string): Promise<bigint | undefined> {
  const [report] = await ask<{ readonly until_ns: string }>(
    options,
    `SELECT ${ns('max(time)')} AS until_ns FROM collector_reports
     WHERE cluster = {cluster: String} AND node = {node: String} AND ${IS_OTHERS}`,
    node,
  );
  const untilNs = BigInt(report?.until_ns ?? 0);
  return untilNs > 0n ? untilNs : undefined;
}

async function ask<Row>(options: AddressHistoryOptions, query: string, node = ''): Promise<Row[]> {
  const { client, cluster, startedNs } = options;
  const query_params = { cluster, node, started: startedNs.toString() };
  const answer = await client.query({ query, query_params, format: 'JSONEachRow' });
  return answer.json<Row>();
}
