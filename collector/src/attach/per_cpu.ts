/** Counters that the kernel keeps per CPU. */
import type { BpfMap } from '../../native/addon.ts';

/**
 * Sum over the CPUs of a 64-bit field of a per-CPU array's entry. Exact up to 2^53; 0 if there is no such entry.
 * @param key index of the entry
 * @param offset bytes from the entry's begin
 */
export function perCpuSum(map: Pick<BpfMap, 'lookup' | 'valueSize'>, key: number, offset: number): number {
  const at = Buffer.alloc(4);
  at.writeUInt32LE(key);
  const values = map.lookup(at);
  if (values === null) return 0;
  const stride = Math.ceil(map.valueSize / 8) * 8;
  let sum = 0;
  for (let cpu = 0; cpu + stride <= values.length; cpu += stride) sum += Number(values.readBigUInt64LE(cpu + offset));
  return sum;
}
