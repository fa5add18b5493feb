/** Series of promtool's tests: counters that grow at given rates for given times, of named edges. */

/** Between two samples of every series, in seconds. */
export const STEP_S = 60;

/** One series of a test. */
export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

/** What a counter does for a while: grows by so much per second; starts again at 0; or is not there. */
export interface Phase {
  readonly minutes: number;
  /** Per second; undefined: no sample, and the series is marked as ended. */
  readonly rate?: number | undefined;
  /** Whether it begins at 0 again, as after a restart of the collector. */
  readonly reset?: boolean;
}

/** An edge by its labels; empty ones are left out. */
export interface Edge {
  readonly cluster?: string;
  readonly source_namespace?: string;
  readonly source_workload: string;
  readonly destination_namespace?: string;
  readonly destination_workload: string;
}

/** Ends of an edge that are observed. */
export type End = 'client' | 'server';

/** `name{a="b"}` with the empty labels left out. */
export function seriesName(family: string, labels: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(labels).filter(([, value]) => value !== undefined && value !== '');
  return given.length === 0 ? family : `${family}{${given.map(([name, value]) => `${name}="${value}"`).join(',')}}`;
}

/** A counter through its phases, from 0 on. */
export function counter(
  family: string,
  labels: Readonly<Record<string, string | undefined>>,
  ...phases: readonly Phase[]
): InputSeries {
  let next = 0;
  const pieces = phases.map(({ minutes, rate, reset }) => {
    const samples = Math.round((minutes * 60) / STEP_S);
    if (rate === undefined) return samples === 1 ? 'stale' : `stale _x${samples - 1}`;
    const begin = reset === true ? 0 : next;
    const step = rate * STEP_S;
    next = begin + step * samples;
    return `${round(begin)}+${round(step)}x${samples - 1}`;
  });
  return { series: seriesName(family, labels), values: pieces.join(' ') };
}

/** A gauge that holds each value for so many minutes. */
export function gauge(
  family: string,
  labels: Readonly<Record<string, string | undefined>>,
  ...values: readonly { readonly minutes: number; readonly value: number }[]
): InputSeries {
  const pieces = values.map(({ minutes, value }) => `${value}+0x${Math.round((minutes * 60) / STEP_S) - 1}`);
  return { series: seriesName(family, labels), values: pieces.join(' ') };
}

const round = (value: number) => Number(value.toFixed(6));

/** Minutes that something goes wrong, and that it is well again afterwards. */
export const WRONG = 30;
export const WELL = 30;

/** `rate` per second while it is wrong, then `after`. */
export function wrong(rate: number, after = 0): Phase[] {
  return [
    { minutes: WRONG, rate },
    { minutes: WELL, rate: after },
  ];
}

/** Always the same rate. */
export function steady(rate: number): Phase[] {
  return [{ minutes: WRONG + WELL, rate }];
}

/** Requests of an edge as one end saw them: how many per second in all and how many of them with 503. */
export function requestsOf(edge: Edge, end: End, all: number, errors: readonly Phase[]): InputSeries[] {
  const labels = { ...edge, observation_point: end };
  return [
    counter('flowspan_http_requests_total', { ...labels, outcome: 'server_error', http_status_code: '503' }, ...errors),
    counter(
      'flowspan_http_requests_total',
      { ...labels, outcome: 'ok', http_status_code: '200' },
      ...errors.map((phase) => ({ ...phase, rate: phase.rate === undefined ? undefined : all - phase.rate })),
    ),
  ];
}

/** Segments that one end of an edge sent per second, and how many of them again. */
export function segmentsOf(edge: Edge, end: End, all: number, again: readonly Phase[]): InputSeries[] {
  const labels = { ...edge, observation_point: end, sent_by: end };
  const present = again.map((phase) => ({ ...phase, rate: phase.rate === undefined ? undefined : all }));
  return [
    counter('flowspan_tcp_segments_total', labels, ...present),
    counter('flowspan_tcp_retransmitted_segments_total', { ...labels, cause: 'timeout' }, ...again),
  ];
}
