/** 10,000 requests a second, in an open loop, at a server that is observed by Flowspan as a user runs it. */
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../../deploy/lab/namespace.ts';
import { type Flowspan, startFlowspan } from '../../support/flowspan.ts';
import { startNginx } from '../../support/nginx.ts';
import { GOVERNED } from './as_a_node.ts';
import { cpuBudget, pinned, settle, withChildren } from './cpu.ts';
import { helloLocation, helloRows, KEPT } from './hello.ts';
import { startOpenLoop } from './open_loop.ts';
import type { Asked } from './open_loop_client.ts';

export const PER_SECOND = 10_000;
/** nginx and its clients; collector and store. */
const LOAD_CORE = '0';
const FLOWSPAN_CORE = '1';
const PATH = '/r/ten-thousand';
/** How far the rate may be off. */
const TOLERANCE = 0.02;

/** A load that runs, and what observes it. */
export interface Loaded {
  readonly flowspan: Flowspan;
  readonly watched: Cgroup;
  readonly collector: Cgroup;
  readonly store: Cgroup;
  /** Ends the load, counts the rows, ends everything. @throws if the rate was missed or a row is missing */
  end(): Promise<Asked>;
}

/** Starts store, collector, nginx and the load, and resolves when all connections are open. The client is not observed. */
export async function startTenThousand(connections: number): Promise<Loaded> {
  const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
  const [watched, collector, store, client] = [createCgroup(), createCgroup(), createCgroup(), createCgroup()];
  const address = connect(clientNamespace, serverNamespace).b.ipv4;
  const first = cpuBudget(2);
  const flowspan = await startFlowspan({ cgroup: watched, env: GOVERNED });
  for (const [name, cgroup] of [
    ['collector', collector],
    ['store', store],
  ] as const) {
    settle(flowspan.pid(name), { cgroup, cores: FLOWSPAN_CORE });
    first.add(flowspan.pid(name));
  }
  const nginx = await startNginx(
    { namespace: serverNamespace, cgroup: watched },
    {
      workers: 1,
      connections: 16_384,
      locations: helloLocation(`= ${PATH}`, KEPT),
    },
  );
  for (const each of withChildren(nginx.program.pid)) {
    first.add(each);
    settle(each, { cores: LOAD_CORE });
  }
  const wrap = (command: readonly string[]) => first.within(pinned(LOAD_CORE, command));
  const load = { address, path: PATH, connections, perSecond: PER_SECOND, wrap };
  const loop = await startOpenLoop({ namespace: clientNamespace, cgroup: client }, load);
  return {
    ...{ flowspan, watched, collector, store },
    async end() {
      const asked = await loop.stop();
      await flowspan.settled();
      const rows = await helloRows(flowspan.query, PATH);
      const lost = await flowspan.losses();
      await nginx.stop();
      await flowspan.stop();
      first.remove();
      const rate = asked.sent / asked.seconds;
      if (Math.abs(rate / PER_SECOND - 1) > TOLERANCE || asked.answered !== asked.sent) {
        throw new Error(`FLOW_BENCH_RATE: ${JSON.stringify(asked)}; give the machine to the bench alone`);
      }
      if (rows !== asked.sent || lost.length > 0) {
        throw new Error(
          `FLOW_BENCH_ROWS: ${rows} rows of ${asked.sent}, ${lost.join(', ')}; see what the collector logs`,
        );
      }
      return asked;
    },
  };
}
