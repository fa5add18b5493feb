/** Flowspan as an observer whose processes run where a bench says and are charged each for itself. */
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { type Flowspan, type FlowspanOptions, startFlowspan } from '../../support/flowspan.ts';
import { FLOW_INTERVAL_S } from './as_a_node.ts';
import { settle } from './cpu.ts';
import { helloRows } from './hello.ts';
import { type Kind, nothingAsked, observe, type Way } from './observing.ts';
import { SERVICE_PATH, type Service } from './service.ts';

/** Requests until what is compiled while it runs is as fast as it gets, and how often to try for so many. */
const WARM_REQUESTS = 50_000;
const WARM_TRIES = 4;

/** Collector and store, each in a cgroup of its own. */
export interface Observer {
  readonly flowspan: Flowspan;
  readonly collector: Cgroup;
  readonly store: Cgroup;
  /** Moves both processes, such as to `0,1`. */
  runOn(cores: { readonly collector: string; readonly store: string }): void;
  /** How it observes the service. */
  way(service: Service): Way;
  /** Rows of requests that the service answered, and what was lost, as text. */
  counted(): Promise<{ readonly rows: number; readonly lost: string }>;
  /** Puts a load on the service until the processes are warm. */
  warm(service: Service, way: Way, kind: Kind): Promise<void>;
  stop(): Promise<void>;
}

/** Starts Flowspan on what runs in a cgroup: as a user would, but for the governor, which is off because rows are counted. */
export async function startObserver(options: FlowspanOptions & { readonly cgroup: Cgroup }): Promise<Observer> {
  const flowspan = await startFlowspan({
    ...options,
    env: { FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: FLOW_INTERVAL_S, ...options.env },
  });
  const [collector, store] = [createCgroup(), createCgroup()];
  const settled = { collector, store };
  for (const name of ['collector', 'store'] as const) settle(flowspan.pid(name), { cgroup: settled[name] });
  return {
    flowspan,
    collector,
    store,
    runOn: (cores) => {
      for (const name of ['collector', 'store'] as const) settle(flowspan.pid(name), { cores: cores[name] });
    },
    way: ({ url }) => ({ url, observers: [collector, store], asked: nothingAsked(), settled: flowspan.settled }),
    counted: async () => ({
      rows: await helloRows(flowspan.query, SERVICE_PATH),
      lost: (await flowspan.losses()).join('; '),
    }),
    warm: async (service, way, kind) => {
      const until = way.asked.requests + WARM_REQUESTS;
      for (let tries = 0; tries < WARM_TRIES && way.asked.requests < until; tries += 1) {
        await observe(service, way, kind);
      }
    },
    stop: async () => {
      await flowspan.stop();
      collector.remove();
      store.remove();
    },
  };
}
