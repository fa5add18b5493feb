/** Two sidecars between client and service, as a mesh puts them: one beside each. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { residentBytes } from '../../support/resident.ts';
import { SERVICE_CORE, SERVICE_PATH, type Service } from '../kit/service.ts';
import { startSidecar } from './sidecar.ts';

const CLIENT_PORT = 15001;
const SERVER_PORT = 15006;

/** A running pair. */
export interface SidecarPair {
  /** Asks the service through both. */
  readonly url: string;
  /** Where both run, and nothing else. */
  readonly cgroup: Cgroup;
  residentBytes(): number;
  /** Ends both. @returns lines of each one's log, if there are any */
  stop(): Promise<number[]>;
}

async function countLines(path: string): Promise<number> {
  let lines = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) lines += line.startsWith('{') ? 1 : 0;
  return lines;
}

/** What the pair does beside passing requests on. */
export interface PairWork {
  /** Whether both write a line per request; default true. */
  readonly logs?: boolean;
  /** HTTP filters of the server's. */
  readonly filters?: readonly object[];
}

/**
 * Starts a pair on the service's core. The client is pointed at its sidecar; a mesh turns its packets round by rules of
 * the packet filter, which costs more.
 */
export async function startSidecarPair(
  { client, server, address }: Service,
  { logs: writes = true, filters = [] }: PairWork = {},
): Promise<SidecarPair> {
  const folder = temporaryFolder();
  const cgroup = createCgroup();
  const logs = ['server', 'client'].map((name) => join(folder, `${name}.log`)) as [string, string];
  const between = { address, port: SERVER_PORT };
  const entrance = { address: '127.0.0.1', port: CLIENT_PORT };
  const sidecars = [
    await startSidecar({ namespace: server.namespace, cgroup }, SERVICE_CORE, folder, {
      name: 'server',
      listen: between,
      upstream: { address: '127.0.0.1', port: 80 },
      filters,
      ...(writes ? { logPath: logs[0] } : {}),
    }),
    await startSidecar({ namespace: client.namespace, cgroup }, SERVICE_CORE, folder, {
      name: 'client',
      listen: entrance,
      upstream: between,
      ...(writes ? { logPath: logs[1] } : {}),
    }),
  ];
  return {
    url: `http://${entrance.address}:${CLIENT_PORT}${SERVICE_PATH}`,
    cgroup,
    residentBytes: () => sidecars.reduce((sum, { pid }) => sum + residentBytes(pid), 0),
    stop: async () => {
      for (const sidecar of sidecars) await sidecar.stop();
      return writes ? Promise.all(logs.map(countLines)) : [];
    },
  };
}
