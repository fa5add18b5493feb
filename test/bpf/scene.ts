/** Two namespaces joined by a cable, one cgroup, a server that does as it is told, and the kernel side watching. */
import { fileURLToPath } from 'node:url';
import type { AttachOptions } from '../../collector/src/attach/load.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Place, type Program, run, start } from '../../deploy/lab/program.ts';
import { Watcher } from './watcher.ts';

const PEER = fileURLToPath(new URL('peer.ts', import.meta.url));

/** Command line of peer.ts. */
export const peerCommand = (...args: readonly (string | number)[]): string[] => [
  process.execPath,
  PEER,
  ...args.map(String),
];

export const PORT = 8080;
/** As in the records, where every value is a bigint. */
export const PORT_SEEN = BigInt(PORT);

export interface Scene {
  readonly client: Place & { readonly namespace: Namespace };
  readonly server: Place & { readonly namespace: Namespace };
  readonly cgroup: Cgroup;
  readonly address: { readonly ipv4: string; readonly ipv6: string };
  readonly clientAddress: { readonly ipv4: string; readonly ipv6: string };
  readonly serverPid: number;
  readonly watcher: Watcher;
  /** Runs peer.ts as a client to its end. */
  peer(...args: (string | number)[]): Promise<string>;
  /** Starts peer.ts as a client and leaves it running. */
  startPeer(...args: (string | number)[]): Program;
  end(): Promise<void>;
}

/**
 * @param before runs when the server listens, before the watcher is there
 * @param options of the watcher
 */
export async function createScene(
  before?: (scene: Omit<Scene, 'watcher'>) => Promise<void>,
  options?: Partial<AttachOptions>,
): Promise<Scene> {
  const cgroup = createCgroup();
  const [client, server] = [createNamespace(), createNamespace()];
  const pair = connect(client, server);
  const places = { client: { namespace: client, cgroup }, server: { namespace: server, cgroup } };
  const program = start(places.server, peerCommand('serve', PORT, 8));
  await listening(server, PORT);
  let watcher: Watcher | undefined;
  const scene = {
    ...places,
    cgroup,
    address: pair.b,
    clientAddress: pair.a,
    serverPid: program.pid,
    peer: (...args: (string | number)[]) => run(places.client, peerCommand(...args)),
    startPeer: (...args: (string | number)[]) => start(places.client, peerCommand(...args)),
    end: async () => {
      watcher?.close();
      await program.stop();
      cgroup.remove();
      client.remove();
      server.remove();
    },
  };
  try {
    await before?.(scene);
    watcher = new Watcher(cgroup, options);
  } catch (error) {
    await scene.end();
    throw error;
  }
  return { ...scene, watcher };
}
