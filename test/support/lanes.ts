/** Which test files may run at the same time. */
import { matchesGlob } from 'node:path';

/**
 * Files that watch no kernel, measure no time and wait most of theirs, for servers of their own. Everything else has
 * this machine, with its cgroups, its tracepoints and its two cores, to itself and these.
 */
const BESIDE = ['test/collector/kubernetes/*.test.ts'];

/** The files in lanes, each of which runs one file after the other. */
export function lanes(files: readonly string[]): string[][] {
  const isBeside = (file: string): boolean => BESIDE.some((pattern) => matchesGlob(file, pattern));
  return [files.filter((file) => !isBeside(file)), files.filter(isBeside)];
}
