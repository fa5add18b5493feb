/** This machine's clocks, read with what Node has: wall time comes in milliseconds, so its edges are what is measured. */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { Clocks } from './clock.ts';

/** Uptime is told in hundredths of a second; below two of them it shows no suspension. */
const UPTIME_RESOLUTION_MS = 20;

/** Milliseconds by which CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: how long the machine was suspended. */
function suspendedMs(): number {
  const bootMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const difference = bootMs - Number(process.hrtime.bigint() / 1_000_000n);
  return Math.abs(difference) < UPTIME_RESOLUTION_MS ? 0 : difference;
}

/** Wall time minus monotonic time at the moment the wall clock's millisecond changes; at most a millisecond of waiting. */
function wallMinusMonotonicNs(): bigint {
  const begin = Date.now();
  let wall = begin;
  let monotonic = 0n;
  const giveUp = performance.now() + 3;
  do {
    wall = Date.now();
    monotonic = process.hrtime.bigint();
  } while (wall === begin && performance.now() < giveUp);
  return BigInt(wall) * 1_000_000n - monotonic;
}

/** The clocks of the machine this process runs on. */
export function machineClocks(): Clocks {
  return {
    wallMinusBootNs() {
      // An edge that is noticed late gives too small a difference: the larger of a few is the truest.
      let largest = wallMinusMonotonicNs();
      for (let more = 0; more < 2; more += 1) {
        const edge = wallMinusMonotonicNs();
        if (edge > largest) largest = edge;
      }
      return largest - BigInt(Math.round(suspendedMs() * 1e6));
    },
    wallNs: () => BigInt(Date.now()) * 1_000_000n,
    roughMs: () => Date.now() - performance.now(),
  };
}
