/** What a delivery is given, whom it tells, and what it tells of itself. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import type { Arena } from '../batch/arena.ts';
import type { Config } from '../config.ts';
import type { Discard } from '../counters.ts';
import type { SegmentSpanOptions } from './segment_spans.ts';
import type { SegmentLimits } from './segment_writer.ts';
import type { Attempt } from './sender.ts';

export interface DeliveryOptions {
  readonly arena: Arena;
  /** Chunks to lend; each takes `deliveryBytes(1)` of the arena. */
  readonly chunks: number;
  readonly dataDir: string;
  readonly spool: Pick<Config['collector'], 'spool_bytes' | 'spool_max_age_s' | 'spool_sync_ms'>;
  readonly limits: SegmentLimits;
  readonly client: ClickHouseClient;
  /** Database that the client names. */
  readonly database: string;
  readonly node: string;
  readonly log: Logger;
  /** For tests: how long an INSERT may run on, milliseconds; default `QUIET_MS`. */
  readonly quietMs?: number;
  /** Told of rows that ClickHouse has acknowledged. */
  readonly stored: (table: string, rows: number) => void;
  /** Told of rows that earlier runs left in the spool. */
  readonly leftOver: (table: string, rows: number) => void;
  /**
   * Told of rows that were lost, and why; where known, between when they came, milliseconds since the epoch.
   * @param rows 0 if it cannot be known how many
   */
  readonly lost: (table: string, rows: number, reason: Discard, fromMs?: number, toMs?: number) => void;
  /** Asked for rows of `losses` of what was lost so far: a report goes after them. */
  readonly tellLosses?: () => void;
  /** Told of rows of flows, oldest first, that are in a file now, or stored without, or lost. */
  readonly flowsLeft?: (rows: number) => void;
  /** The same of rows of verdicts. */
  readonly verdictsLeft?: (rows: number) => void;
  /** Told of each attempt to insert; `beganMs` is performance.now() before it. */
  readonly sent?: (table: string, rows: number, beganMs: number, answer: Attempt) => void;
  /** Present where segments are traced. */
  readonly spans?: SegmentSpanOptions | undefined;
}

/** What waits for ClickHouse. */
export interface WhatWaits {
  /** On disk. */
  readonly bytes: number;
  readonly limit_bytes: number;
  /** In memory instead. */
  readonly memory_bytes: number;
  readonly segments: number;
  /** What is wrong with the disk; empty if nothing is. */
  readonly disk_error: string;
}
