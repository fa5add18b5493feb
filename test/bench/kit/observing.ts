/** What it costs to observe a service in some way: rate, latency and processor time of one load, and what was counted. */
import { setTimeout as sleep } from 'node:timers/promises';
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
  /** Its work goes on after the load: all of a load is counted then, and until it has settled. */
  readonly fallsBehind?: boolean;
}

/** What a load measured. Processor times are in microseconds per request. */
export interface Observed {
  readonly requests: number;
  readonly perSecond: number;
  /** Latency, microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of client and service. */
  readonly servedUs: number;
  /** Of each observer. */
  readonly observerUs: readonly number[];
}

/**
 * Part of a load that passes before processor time is counted. What an observer puts off (rows until a batch is whole) is
 * then as much at the begin as at the end, and neither its idle time nor being asked whether it has settled is counted.
 */
const LEAD = 0.3;

/** Puts one load on the service. */
export async function observe(service: Service, way: Way, kind: Kind): Promise<Observed> {
  const { fallsBehind = false } = way;
  const ended = wrk(service.client, { ...kind, url: way.url });
  if (!fallsBehind) await sleep(LEAD * kind.seconds * 1000);
  const counted = [service.client.cgroup, service.server.cgroup, ...way.observers];
  const [before, begin] = [counted.map(cpuTime), performance.now()];
  const result = await ended;
  const requests = fallsBehind ? result.requests : (result.perSecond * (performance.now() - begin)) / 1000;
  if (fallsBehind) await way.settled?.();
  const [client = 0, server = 0, ...observerUs] = counted.map(
    (cgroup, at) => cpuSince(cgroup, before[at] as CpuTime).total / requests,
  );
  way.asked.requests += result.requests;
  way.asked.cut += kind.connections;
  if (!fallsBehind) await way.settled?.();
  return { ...result, servedUs: client + server, observerUs };
}
