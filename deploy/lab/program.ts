/** Programs started inside a network namespace and a cgroup. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Cgroup } from './cgroup.ts';
import type { Namespace } from './namespace.ts';
import { noteProcess } from './registry.ts';
import { eventually } from './wait.ts';

/** Where a program runs; left out: where this process runs. */
export interface Place {
  readonly namespace?: Namespace | undefined;
  readonly cgroup?: Cgroup | undefined;
}

/** A program that runs until it is stopped. */
export interface Program {
  readonly pid: number;
  readonly process: ChildProcess;
  /** What it has printed so far, both streams. */
  output(): string;
  /** Sends SIGTERM, after 5 s SIGKILL, and resolves when it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** The command line that runs `command` at a place: the shell joins the cgroup, then becomes the command. */
function placed({ namespace, cgroup }: Place, command: readonly string[]): [string, string[]] {
  const inside = [...(namespace?.enter ?? []), ...command];
  const [file = '', ...args] =
    cgroup === undefined
      ? inside
      : ['/bin/sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup.path, ...inside];
  return [file, args];
}

/**
 * Starts a program and leaves it running.
 * @param stdin `pipe` to write to it through its process
 */
export function start(
  place: Place,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdin: 'ignore' | 'pipe' = 'ignore',
): Program {
  const [file, args] = placed(place, command);
  const child = spawn(file, args, { stdio: [stdin, 'pipe', 'pipe'], env: { ...process.env, ...env } });
  if (child.pid === undefined) throw new Error(`${command[0]} cannot be started`);
  noteProcess(child.pid);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const gone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid,
    process: child,
    output: () => Buffer.concat(chunks).toString(),
    stop: async (signal = 'SIGTERM') => {
      if (gone()) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/**
 * Runs a program to its end.
 * @param timeoutMs killed after that, in milliseconds
 * @returns what it wrote to standard output
 * @throws if it ends with another code than 0, with what it wrote to standard error
 */
export function run(place: Place, command: readonly string[], timeoutMs = 60_000): Promise<string> {
  const [file, args] = placed(place, command);
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { timeout: timeoutMs, maxBuffer: 256 * 1024 ** 2 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(
          new Error(`${command.join(' ')}: ${error.killed ? `ended after ${timeoutMs} ms` : error.message}\n${stderr}`),
        );
    });
    if (child.pid !== undefined) noteProcess(child.pid);
  });
}

/** Resolves when something listens on a TCP port of the namespace. */
export async function listening(namespace: Namespace, port: number): Promise<void> {
  await eventually(`port ${port} of ${namespace.name}`, () => namespace.run('ss', '-tlnH', `sport = :${port}`) !== '');
}
