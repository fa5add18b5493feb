/**
 * A collector that is loaded while ClickHouse takes connections and never answers, and afterwards catches up: once as
 * it is, and once killed and started again before ClickHouse is back.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '../../../deploy/lab/wait.ts';
import { forgetPeak, peakResidentBytes } from '../../support/resident.ts';
import { openSinks, type Sinks } from './sinks.ts';

/** Each becomes two rows, one of either end. */
const REQUESTS_PER_S = 2500;
const MB = 1e6;
/** Longest that is waited for ClickHouse to have everything, per second that it was away. */
const CATCH_UP_SHARE = 2;
/** Far longer than rows that were counted take to be in a file. */
const IN_FILE_MS = 1000;
const START_MS = 60_000;

/** What was seen of one time without ClickHouse. */
export interface Away {
  /** Most resident memory while ClickHouse was away, and while it caught up; MB (1e6 bytes). */
  readonly awayMB: number;
  readonly catchUpMB: number;
  readonly awayS: number;
  readonly catchUpS: number;
  /** Rows of requests that were made, and those of them that are stored, and that are told as lost. */
  readonly made: number;
  readonly stored: number;
  readonly lost: number;
  /** Longest that a request of the time of catching up took to be stored, milliseconds. */
  readonly liveMs: number;
}

/** @param seconds how long ClickHouse is away, one after the other; the last time the collector is killed meanwhile */
export async function* beAway(...seconds: readonly number[]): AsyncGenerator<Away> {
  const sinks = await openSinks({ hasAll: false });
  try {
    await sinks.see('first', ['clickhouse'], 30_000);
    for (const [turn, length] of seconds.entries()) {
      yield await oneTurn(sinks, turn, length, turn === seconds.length - 1);
    }
  } finally {
    await sinks.end();
  }
}

interface Status {
  readonly spool: { readonly segments: number };
  readonly counters: { readonly request: { readonly rows: number; readonly lost: number } };
}

async function oneTurn(sinks: Sinks, turn: number, seconds: number, isKilled: boolean): Promise<Away> {
  const { flowspan, clickhouse } = sinks;
  const peakMB = () => peakResidentBytes(flowspan.pid('collector')) / MB;
  const status = async () => (await (await fetch(`${flowspan.collectorUrl}/status`)).json()) as Status;
  const before = (await status()).counters.request;
  await clickhouse.set('silent');
  forgetPeak(flowspan.pid('collector'));
  const beganMs = performance.now();
  for (let second = 0; second < seconds; second += 1) {
    const nextMs = beganMs + (second + 1) * 1000;
    await sinks.ask(`load${turn}/${second}`, REQUESTS_PER_S);
    await wait(Math.max(0, nextMs - performance.now()));
  }
  const made = 2 * REQUESTS_PER_S * seconds;
  const awayMB = peakMB();
  const awayS = (performance.now() - beganMs) / 1000;
  let lostByKilled = 0;
  if (isKilled) {
    await eventually('the rows to be counted', async () => {
      const { rows, lost } = (await status()).counters.request;
      lostByKilled = lost - before.lost;
      return rows - before.rows + lostByKilled >= made;
    });
    await wait(IN_FILE_MS);
    await restart(sinks, status);
  } else forgetPeak(flowspan.pid('collector'));
  await clickhouse.set('open');
  clickhouse.cut();
  const backMs = performance.now();
  let liveMs = 0;
  for (let look = 0; (await status()).spool.segments > 3; look += 1) {
    const live = await sinks.see(`live${turn}_${look}`, ['clickhouse'], 60_000);
    liveMs = Math.max(liveMs, live.clickhouse ?? 0);
    if (performance.now() - backMs > CATCH_UP_SHARE * awayS * 1000 + 30_000) throw new Error('it does not catch up');
  }
  const catchUpS = (performance.now() - backMs) / 1000;
  let stored = 0;
  let lost = 0;
  const isAccounted = async () => {
    const now = (await status()).counters.request.lost;
    lost = isKilled ? lostByKilled + now : now - before.lost;
    stored = await sinks.stored(`load${turn}`);
    return stored + lost >= made;
  };
  // Whoever asked judges what is missing then.
  await eventually('all rows to be stored or lost', isAccounted, START_MS).catch(() => undefined);
  const catchUpMB = peakMB();
  return { awayMB, catchUpMB, awayS, catchUpS, made, stored, lost, liveMs };
}

/** kill -9, and a collector that finds the backlog in its spool. */
async function restart({ flowspan }: Sinks, status: () => Promise<Status>): Promise<void> {
  const killed = flowspan.pid('collector');
  process.kill(killed, 'SIGKILL');
  const isThere = async () => {
    try {
      return flowspan.pid('collector') !== killed && (await status()).spool.segments > 0;
    } catch {
      return false;
    }
  };
  await eventually('a new collector', isThere, START_MS);
}

/** As one line. */
export function awayText({ awayMB, catchUpMB, made, stored, lost, awayS, catchUpS, liveMs }: Away): string {
  const rate = (perS: number) => `${Math.round(made / perS)} rows/s`;
  return [
    `away ${awayS.toFixed(0)} s at ${rate(awayS)}: ${awayMB.toFixed(0)} MB resident`,
    `caught up in ${catchUpS.toFixed(1)} s, ${rate(catchUpS)}: ${catchUpMB.toFixed(0)} MB, live rows within ${liveMs} ms`,
    `${made} rows made, ${stored} stored, ${lost} lost`,
  ].join('; ');
}
