/** A collector that is loaded while ClickHouse takes connections and never answers, and afterwards catches up. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { openSinks } from './sinks.ts';

/** Each becomes two rows, one of either end. */
const REQUESTS_PER_S = 2500;
const MIB = 1024;
/** Longest that is waited for ClickHouse to have everything, per second that it was away. */
const CATCH_UP_SHARE = 2;

/** What was seen. */
export interface Away {
  /** Most resident memory while ClickHouse was away, and over all of it; MiB. */
  readonly awayMiB: number;
  readonly mostMiB: number;
  readonly rows: number;
  readonly awayS: number;
  readonly catchUpS: number;
  /** Longest that a request of the time of catching up took to be stored, milliseconds. */
  readonly liveMs: number;
  readonly losses: readonly string[];
}

/** @param seconds how long ClickHouse is away */
export async function beAway(seconds: number): Promise<Away> {
  const sinks = await openSinks({ hasAll: false });
  try {
    const resident = () => {
      const status = readFileSync(`/proc/${sinks.flowspan.pid('collector')}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / MIB;
    };
    const segments = async () => {
      const response = await fetch(`${sinks.flowspan.collectorUrl}/status`);
      return ((await response.json()) as { spool: { segments: number } }).spool.segments;
    };
    await sinks.see('first', ['clickhouse'], 30_000);
    await sinks.clickhouse.set('silent');
    const beganMs = performance.now();
    let mostMiB = 0;
    let asked = 0;
    for (let second = 0; second < seconds; second += 1) {
      const nextMs = beganMs + (second + 1) * 1000;
      await sinks.ask(`load${second}`, REQUESTS_PER_S);
      asked += REQUESTS_PER_S;
      mostMiB = Math.max(mostMiB, resident());
      await wait(Math.max(0, nextMs - performance.now()));
    }
    const awayMiB = mostMiB;
    const awayS = (performance.now() - beganMs) / 1000;
    await sinks.clickhouse.set('open');
    sinks.clickhouse.cut();
    const backMs = performance.now();
    let liveMs = 0;
    for (let look = 0; (await segments()) > 3; look += 1) {
      const seen = await sinks.see(`live${look}`, ['clickhouse'], 60_000);
      liveMs = Math.max(liveMs, seen.clickhouse ?? 0);
      mostMiB = Math.max(mostMiB, resident());
      if (performance.now() - backMs > CATCH_UP_SHARE * awayS * 1000 + 30_000) throw new Error('it does not catch up');
    }
    const catchUpS = (performance.now() - backMs) / 1000;
    await sinks.flowspan.settled();
    const rows = await sinks.stored('load%');
    if (rows !== 2 * asked) throw new Error(`${rows} rows of ${2 * asked} are stored`);
    const losses = await sinks.flowspan.losses();
    return { awayMiB, mostMiB, rows, awayS, catchUpS, liveMs, losses };
  } finally {
    await sinks.end();
  }
}

/** As one line. */
export function awayText({ awayMiB, mostMiB, rows, awayS, catchUpS, liveMs }: Away): string {
  const rate = (perS: number) => `${Math.round(rows / perS)} rows/s`;
  return [
    `away ${awayS.toFixed(0)} s at ${rate(awayS)}: ${awayMiB.toFixed(0)} MiB resident`,
    `caught up in ${catchUpS.toFixed(1)} s, ${rate(catchUpS)}: ${mostMiB.toFixed(0)} MiB, live rows within ${liveMs} ms`,
  ].join('; ');
}
