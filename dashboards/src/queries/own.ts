/** What Flowspan's processes are asked about themselves, in PromQL. Rates are per second. */
import { selector, sumRate, type Window } from './promql.ts';

/** A gauge, summed over what is not asked for. */
export function gauge(name: string, by: readonly string[] = []): string {
  return `sum by (${by.join(', ')}) (${name})`;
}

/** The highest value of a gauge. */
export function highest(name: string, by: readonly string[] = []): string {
  return `max by (${by.join(', ')}) (${name})`;
}

/** Seconds since the oldest of a gauge's times; those that are 0 have not been yet. */
export function oldest(name: string, by: readonly string[] = []): string {
  return `time() - min by (${by.join(', ')}) (${name} > 0)`;
}

/** How many series of a gauge are 0. */
export function lacking(name: string, by: readonly string[] = []): string {
  return `sum by (${by.join(', ')}) (1 - ${name})`;
}

/** Quantile of one of Flowspan's own histograms. */
export function quantileOf(rank: number, histogram: string, window: Window, by: readonly string[] = []): string {
  return `histogram_quantile(${rank}, ${sumRate(`${histogram}_bucket`, window, [...by, 'le'])})`;
}

/** Share of a counter's growth that has the given labels, 0 to 1. */
export function shareOf(counter: string, labels: string, window: Window, by: readonly string[] = []): string {
  const all = sumRate(counter, window, by);
  return `(${sumRate(selector(counter, labels), window, by)} or ${all} * 0) / (${all} > 0)`;
}

/**
 * What prom-client tells of every Node process, for Flowspan's own alone, with their `component`: others that the same
 * Prometheus scrapes have series of these names, too.
 */
export function ofProcesses(expression: string): string {
  return `max by (component, instance) (${expression} * on (job, instance) group_left (component) max by (job, instance, component) (flowspan_build_info))`;
}
