/** Counters of the data plane's programs: arrays of 64-bit numbers, one for each CPU. */
import type { BpfMap } from '../../../native/addon.ts';

/** Sums over all CPUs, by place. Exact up to 2^53. @param map a per-CPU array of u64 */
export function readCounters(map: Pick<BpfMap, 'entries'>): number[] {
  const { values, count } = map.entries();
  const stride = count === 0 ? 0 : values.length / count;
  return Array.from({ length: count }, (_, place) => {
    let sum = 0;
    for (let at = place * stride; at < (place + 1) * stride; at += 8) sum += Number(values.readBigUInt64LE(at));
    return sum;
  });
}
