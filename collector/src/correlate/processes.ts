/** Who a process is, from /proc, while it lives; and from what was learned of its like when it is gone. */
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { ProcessFacts } from '../control/identity.ts';

/** What /proc says of one process. */
export interface Process extends ProcessFacts {
  /** Name of its main thread. */
  readonly command: string;
}

/** Reads a process; undefined if it is gone, or a kernel thread. @param proc where procfs is mounted */
export function readProcess(pid: number, proc = '/proc'): Process | undefined {
  try {
    const executable = basename(readlinkSync(`${proc}/${pid}/exe`).replace(/ \(deleted\)$/, ''));
    const command = readFileSync(`${proc}/${pid}/comm`, 'utf8').trimEnd();
    return { executable, command, cgroupPaths: cgroupPaths(readFileSync(`${proc}/${pid}/cgroup`, 'utf8')) };
  } catch {
    return undefined;
  }
}

/** Paths in /proc/<pid>/cgroup, the v2 one first. */
export function cgroupPaths(text: string): string[] {
  const lines = text.split('\n').map((line) => /^(\d+):[^:]*:(.*)$/.exec(line));
  const paths = lines
    .filter((match) => match !== null)
    .map((match) => ({ v2: match[1] === '0', path: match[2] as string }));
  return paths.sort((a, b) => Number(b.v2) - Number(a.v2)).map(({ path }) => path);
}

/** Commands whose executable is remembered. */
const COMMANDS = 10_000;

/**
 * Which executable a command name stood for in a cgroup: short-lived processes are gone before anyone can look, but
 * their name travels with the flow, and their like was seen before.
 */
export class Executables {
  readonly #byCommand = new Map<string, string>();

  learn(cgroupPath: string, command: string, executable: string): void {
    if (this.#byCommand.size >= COMMANDS) this.#byCommand.clear();
    this.#byCommand.set(`${cgroupPath}\0${command}`, executable);
  }

  /** What a command stood for; the command itself, which begins as the executable's name, if it was never seen. */
  of(cgroupPath: string, command: string): string {
    return this.#byCommand.get(`${cgroupPath}\0${command}`) ?? command;
  }
}
