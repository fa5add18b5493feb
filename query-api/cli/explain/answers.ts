/** What /v1 answered, as far as findings are made of it. */
import type { Completeness } from '../../src/completeness.ts';

/** One object of an answer. */
export type Row = Readonly<Record<string, unknown>>;

/** Rows that belong to a finding. */
export interface Sample {
  /** Requests that show it, newest first, with the other end's view alongside. */
  readonly requests: readonly Row[];
  /** TCP events that show it, newest first. */
  readonly events: readonly Row[];
  /** Time before which rows that show it were left out; null if none were. RFC 3339. */
  readonly cut_before: string | null;
}

/** Answers to the questions of ask.ts, all about the same time. */
export interface Answers {
  readonly since: string;
  readonly until: string;
  /** /v1/edges by EDGE_KEYS. */
  readonly edges: readonly Row[];
  /** Groups of /v1/requests by EDGE_KEYS and how they went. */
  readonly requests: readonly Row[];
  /** Groups of the slow ones of /v1/requests, with the phases they spent their time in. */
  readonly slow: readonly Row[];
  /** Groups of /v1/requests that were slow as the client saw them. */
  readonly slow_at_client: readonly Row[];
  /** Groups of /v1/tcp-events: retransmits, failed connects, full accept queues. */
  readonly events: readonly Row[];
  /** Groups of /v1/flows by observed end: segments with payload that it sent. */
  readonly sent: readonly Row[];
  /** Groups of /v1/tcp-events: segments that arrived although they had arrived before. */
  readonly duplicates: readonly Row[];
  /** Events per connection, for connections that met a full accept queue and their retransmits. */
  readonly connections: readonly Row[];
  /** By id of the finding; empty at first. */
  readonly samples: Readonly<Record<string, Sample>>;
  /** How complete the groups are: every different object that came with them. */
  readonly completeness: readonly Completeness[];
  /** Questions whose answers had more pages than are read. */
  readonly cut: readonly string[];
}

/** What an edge is grouped by. */
export const EDGE_KEYS = ['source_endpoint_id', 'destination_endpoint_id', 'destination_port'] as const;

/** A count of an answer as a number; unknown counts for nothing. */
export function numberOf(row: Row, name: string): number {
  const value = row[name];
  return value === null || value === undefined ? 0 : Number(value);
}

/** A text of an answer; null if it is not known. */
export function textOf(row: Row, name: string): string | null {
  const value = row[name];
  return value === null || value === undefined || value === '' ? null : String(value);
}

/** Sum of one count over rows. */
export function total(rows: readonly Row[], name: string): number {
  return rows.reduce((sum, row) => sum + numberOf(row, name), 0);
}

/** First and last time of groups that tell first_time and last_time. */
export function timesOf(rows: readonly Row[]): { since: string; last: string } {
  const since = rows.map((row) => String(row.first_time)).toSorted()[0] ?? '';
  const last =
    rows
      .map((row) => String(row.last_time))
      .toSorted()
      .at(-1) ?? '';
  return { since, last };
}
