/** Why rows of table `losses` are there, beside the discard reasons of the kernel side (bpf/wire/events.h). */

/** Detail that was given up on purpose, with exact counts: nothing failed. Counters and edge metrics have all of it. */
export const SHED_REASONS = [
  /** The governor kept the collector inside its budget: requests sampled with known weight, events counted only. */
  'governor',
  /** One cgroup wrote more than its share, and was throttled alone. */
  'noisy_cgroup',
] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

/** Whether rows with this reason tell of detail shed, not of a failure to record. */
export function isShed(reason: string): reason is ShedReason {
  return (SHED_REASONS as readonly string[]).includes(reason);
}

/** Why a record that was read did not come to be a stored row. */
export const ROW_LOSS_REASONS = [
  /** No memory was free for the row, because the disk is slower than the rows. Lost before there was a row. */
  'memory_full',
  /** The row is larger than any memory for rows. Lost before there was a row. */
  'too_large',
  /** Given up for newer rows, because the spool had its bytes or the row its age. */
  'spool_dropped',
  /** In a spool file whose checksum does not hold, or that ends in the middle of it. */
  'spool_damaged',
  /** Its spool file could not be written. */
  'write_failed',
  /** ClickHouse refused it for good. */
  'refused',
] as const;
export type RowLossReason = (typeof ROW_LOSS_REASONS)[number];

/** Rows that mark a time, in words that follow the name of the node. How much was lost in it cannot be known. */
export const MARKS: Readonly<Record<string, string>> = {
  restart: 'was not watched until its collector was started',
  clock_step: 'had its clock set: some times then are of two moments, or of none',
};
