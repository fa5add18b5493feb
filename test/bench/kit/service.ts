/** A service and its client, each in a namespace, a cgroup and on a core of its own: what benches put load on. */
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { startNginx } from '../../support/nginx.ts';
import { settle, withChildren } from './cpu.ts';
import { helloLocation } from './hello.ts';

/** Where the client runs. */
export const CLIENT_CORE = '0';
/** Where the service runs. */
export const SERVICE_CORE = '1';
/** What is asked for. */
export const SERVICE_PATH = '/r/bench';

/** A place that names both. */
export interface Site {
  readonly namespace: Namespace;
  readonly cgroup: Cgroup;
}

/** nginx with one worker that answers GET SERVICE_PATH with 20 bytes and writes no log. */
export interface Service {
  /** Where clients run. */
  readonly client: Site;
  readonly server: Site;
  /** The cgroup above those of both. */
  readonly watched: Cgroup;
  /** IPv4 address of the server, on a veth pair from the client's namespace. */
  readonly address: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the service and resolves when it listens. */
export async function startService(): Promise<Service> {
  const watched = createCgroup();
  const place = (name: string): Site => ({
    namespace: createNamespace(),
    cgroup: createCgroup(watched.path, name),
  });
  const [client, server] = [place('client'), place('server')] as const;
  const address = connect(client.namespace, server.namespace).b.ipv4;
  const nginx = await startNginx(server, { workers: 1, locations: helloLocation(`= ${SERVICE_PATH}`) });
  for (const each of withChildren(nginx.program.pid)) settle(each, { cores: SERVICE_CORE });
  return { client, server, watched, address, url: `http://${address}${SERVICE_PATH}`, stop: () => nginx.stop() };
}
