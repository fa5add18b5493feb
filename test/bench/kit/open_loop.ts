/** An open loop of HTTP requests, in a process of its own (open_loop_client.ts). */
import { fileURLToPath } from 'node:url';
import { type Place, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import type { Asked } from './open_loop_client.ts';

/** A loop that runs. */
export interface OpenLoop {
  /** Ends it and tells what it saw. */
  stop(): Promise<Asked>;
}

/** What is asked for, how often. */
export interface Rate {
  readonly address: string;
  readonly path: string;
  readonly connections: number;
  readonly perSecond: number;
  /** What the client's command is put behind, such as `taskset`. */
  readonly wrap?: (command: readonly string[]) => string[];
}

const CLIENT = fileURLToPath(new URL('open_loop_client.ts', import.meta.url));
const PATIENCE_MS = 60_000;

/** Starts a loop at a place, on port 80, and resolves when all connections are open. */
export async function startOpenLoop(place: Place, rate: Rate): Promise<OpenLoop> {
  const { address, path, connections, perSecond, wrap = (command) => [...command] } = rate;
  const command = wrap([process.execPath, CLIENT, address, '80', path, String(connections), String(perSecond)]);
  const program = start(place, command);
  await eventually(
    `${connections} connections`,
    () => {
      if (program.process.exitCode !== null) throw new Error(`the open loop ended early\n${program.output()}`);
      return program.output().includes('connected');
    },
    PATIENCE_MS,
  );
  return {
    async stop() {
      await program.stop();
      return JSON.parse(program.output().slice(program.output().indexOf('{'))) as Asked;
    },
  };
}
