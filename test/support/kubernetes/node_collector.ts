/** A collector on a node of a test's cluster: in the node's network, watching the node's cgroup, as a DaemonSet's is. */

import { fileURLToPath } from 'node:url';
import { pinDirectory } from '../../../deploy/lab/pins.ts';
import { run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { temporaryFolder } from '../flowspan.ts';
import type { Node } from './node.ts';

const COMMAND = fileURLToPath(new URL('../../../query-api/cli/flowspan.ts', import.meta.url));
const TIMEOUT_MS = 120_000;

/** A running collector. */
export interface NodeCollector {
  /** GET /status. */
  status(): CollectorStatus;
  /** Resolves when every record that the kernel has written until now is stored, or counted as lost. */
  settled(): Promise<void>;
  output(): string;
  stop(): Promise<void>;
}

export interface CollectorStatus {
  readonly counters: Readonly<Record<string, { wanted: number; stored: number; lost: number }>>;
  readonly kubernetes: {
    readonly synced: boolean;
    readonly resources?: readonly { resource: string; objects: number; relists: number; requests: number }[];
  };
}

/**
 * Starts a collector and resolves when it is attached.
 * @param env FLOWSPAN_* variables, the store's address among them
 * @param port where it answers, in the node's network
 */
export async function startNodeCollector(
  node: Node,
  env: Readonly<Record<string, string>>,
  port = 7471,
): Promise<NodeCollector> {
  const address = `127.0.0.1:${port}`;
  const program = start({ namespace: node.namespace }, [process.execPath, COMMAND, 'collector'], {
    FLOWSPAN_DATA_DIR: temporaryFolder(),
    FLOWSPAN_COLLECTOR_PIN_DIR: pinDirectory(),
    FLOWSPAN_COLLECTOR_LISTEN: address,
    FLOWSPAN_COLLECTOR_CGROUP_ROOT: node.cgroup.path,
    FLOWSPAN_NODE: node.name,
    ...env,
  });
  const get = (path: string): string => node.namespace.run('curl', '-sf', '-m', '5', `http://${address}${path}`);
  const status = (): CollectorStatus => JSON.parse(get('/status')) as CollectorStatus;
  try {
    await eventually(
      `the collector of ${node.name}`,
      () => {
        if (program.process.exitCode !== null) throw new Error('the collector ended');
        try {
          get('/readyz');
          return true;
        } catch {
          return false;
        }
      },
      TIMEOUT_MS,
    );
  } catch (error) {
    const ask = ['curl', '-s', '-m', '5', `http://${address}/readyz`];
    const said = await run({ namespace: node.namespace }, ask).catch(() => '');
    await program.stop();
    throw new Error(`${(error as Error).message}: ${said}\n${program.output()}`);
  }
  return {
    status,
    settled: async () => {
      const wanted = status().counters;
      const said = (): string => JSON.stringify({ wanted, now: status().counters });
      await eventually(
        `what ${node.name} recorded to be stored`,
        () => {
          const now = status().counters;
          return ['flow', 'tcp_event', 'request'].every(
            (kind) => now[kind]!.stored + now[kind]!.lost >= wanted[kind]!.wanted,
          );
        },
        TIMEOUT_MS,
      ).catch((error: Error) => {
        throw new Error(`${error.message}\n${said()}\n${program.output()}`);
      });
    },
    output: program.output,
    stop: () => program.stop(),
  };
}
