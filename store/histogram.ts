/**
 * Durations as exponential histograms: buckets of OpenTelemetry's scale 4, sixteen per doubling, so that a quantile is
 * at most 2.2 % off. Counts add up exactly, whatever was merged before: a rollup answers like the rows it came from.
 */

/** Buckets per doubling; OpenTelemetry's scale is its binary logarithm. */
export const BUCKETS_PER_DOUBLING = 16;

/** Bucket index of a positive number: bucket k holds (2^(k/16), 2^((k+1)/16)]. Zero counts as one. */
export function bucketSql(value: string): string {
  return `toInt16(ceil(log2(greatest(${value}, 1)) * ${BUCKETS_PER_DOUBLING}) - 1)`;
}

/** Aggregate of rows: a Map from bucket to weight. */
export function histogramSql(value: string, weight: string): string {
  return `sumMap(map(${bucketSql(value)}, toUInt64(${weight})))`;
}

/**
 * A quantile of a histogram, in the unit of its values; NULL of an empty one.
 * @param histogram expression of the Map, such as `sumMap(duration_ns_histogram)`
 * @param level between 0 and 1
 */
export function histogramQuantileSql(histogram: string, level: number): string {
  const counts = `mapValues(${histogram})`;
  const position = `arrayFirstIndex(c -> c >= ${level} * arraySum(${counts}), arrayCumSum(${counts}))`;
  const bucket = `arrayElement(mapKeys(${histogram}), ${position})`;
  return `if(empty(${counts}), NULL, exp2((${bucket} + 0.5) / ${BUCKETS_PER_DOUBLING}))`;
}
