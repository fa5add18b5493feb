/** What it costs to observe a service in some way: rate, latency and processor time of one load, and what was counted. */
import type { Cgroup } from '../../../deploy/lab/cgroup.ts';
import { type CpuTime, cpuSince, cpuTime } from './cpu.ts';
import type { Service } from './service.ts';
import { type WrkLoad, wrk } from './wrk.ts';

/** What a client does, wherever it asks. */
export type Kind = Omit<WrkLoad, 'url'>;

/** Requests that were answered, and connections on which one more may have been under way when wrk ended. */
export interface Asked {
  requests: number;
  cut: number;
}

export const nothingAsked = (): Asked => ({ requests: 0, cut: 0 });

/** Whether a watcher counted what was asked, each request so many times. */
export const agrees = (counted: number, { requests, cut }: Asked, times: number): boolean =>
  counted >= times * requests && counted <= times * (requests + cut);

/** Who observes, and how. */
export interface Way {
  /** Where the client asks. */
  readonly url: string;
  /** Whose processor time observing takes, beside what it adds to client and service. */
  readonly observers: readonly Cgroup[];
  /** Counts what is asked. */
  readonly asked: Asked;
  /** Resolves when what was observed has been dealt with. */
  readonly settled?: () => Promise<void>;
}

/** What a load measured. Processor times are in microseconds per request. */
export interface Observed {
  readonly requests: number;
  readonly perSecond: number;
  /** Latency, microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of client and service, while the load lasted. */
  readonly servedUs: number;
  /** Of each observer, until it had settled. */
  readonly observerUs: readonly number[];
}

/** Puts one load on the service. */
export async function observe(service: Service, way: Way, kind: Kind): Promise<Observed> {
  const serving = [service.client.cgroup, service.server.cgroup];
  const started = [...serving, ...way.observers].map((cgroup) => [cgroup, cpuTime(cgroup)] as const);
  const result = await wrk(service.client, { ...kind, url: way.url });
  way.asked.requests += result.requests;
  way.asked.cut += kind.connections;
  const used = ([cgroup, before]: readonly [Cgroup, CpuTime]): number =>
    cpuSince(cgroup, before).total / result.requests;
  const [client = 0, server = 0] = started.slice(0, serving.length).map(used);
  await way.settled?.();
  return { ...result, servedUs: client + server, observerUs: started.slice(serving.length).map(used) };
}
