/** The service-graph family, in PromQL: pairs of client and server. Rates are per second. */
import { quantile, ratio, selector, sumRate, type Window } from './promql.ts';

const FAMILY = 'traces_service_graph_request';
const PAIR = ['client', 'client_service_namespace', 'server', 'server_service_namespace', 'cluster'];
const CLUSTER = 'cluster=~"$cluster"';
const rate = (name: string, window: Window, more: readonly string[] = []) =>
  sumRate(selector(`${FAMILY}${name}`, CLUSTER), window, [...PAIR, ...more]);

/** Requests per second of each pair. */
export function requests(window: Window): string {
  return rate('_total', window);
}

/** Share of each pair's requests that failed, 0 to 1. */
export function failureRatio(window: Window): string {
  return ratio(rate('_failed_total', window), rate('_total', window));
}

/** Quantile of the duration as the server saw it, in seconds. */
export function serverSeconds(rank: number, window: Window): string {
  return quantile(rank, rate('_server_seconds_bucket', window, ['le']));
}

/** Quantile of the duration as the client saw it, in seconds. */
export function clientSeconds(rank: number, window: Window): string {
  return quantile(rank, rate('_client_seconds_bucket', window, ['le']));
}

/** The pairs with the most requests per second. */
export function busiest(pairs: number, window: Window): string {
  return `topk(${pairs}, ${requests(window)})`;
}

/** The pairs with the most failed requests per second. */
export function mostFailed(pairs: number, window: Window): string {
  return `topk(${pairs}, ${rate('_failed_total', window)})`;
}
