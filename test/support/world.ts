/** The scene of the fidelity tests: a client's and a server's namespace, joined by one cable, and a Flowspan watching. */
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import type { Place } from '../../deploy/lab/program.ts';
import { type Flowspan, type FlowspanOptions, startFlowspan } from './flowspan.ts';

/** Everything a test needs; the cgroup holds the programs of both namespaces, and is what is watched. */
export interface World {
  readonly client: Place & { readonly namespace: Namespace };
  readonly server: Place & { readonly namespace: Namespace };
  /** Addresses of the server's end. */
  readonly serverAddress: { readonly ipv4: string; readonly ipv6: string };
  readonly flowspan: Flowspan;
  end(): Promise<void>;
}

/** Makes namespaces and cgroup, then starts store and collector. */
export async function createWorld(options: FlowspanOptions = {}): Promise<World> {
  const cgroup: Cgroup = createCgroup();
  const [client, server] = [createNamespace(), createNamespace()];
  const pair = connect(client, server);
  const flowspan = await startFlowspan({ cgroup, ...options });
  return {
    client: { namespace: client, cgroup },
    server: { namespace: server, cgroup },
    serverAddress: pair.b,
    flowspan,
    end: async () => {
      await flowspan.stop();
      cgroup.remove();
      client.remove();
      server.remove();
    },
  };
}
