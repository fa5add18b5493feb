/** Which test files may run at the same time. */
import { matchesGlob } from 'node:path';

/**
 * Files that attach nothing and compare no time: what they use is their own (folders, ports, stores, API servers).
 * Everything else has this machine, with its cgroups, its tracepoints and its two cores, to itself and one of these.
 */
const BESIDE = [
  'test/collector/kubernetes/*.test.ts',
  'test/query-api/*.test.ts',
  'test/store/*.test.ts',
  'test/support/**/*.test.ts',
];

/** The files in lanes, each of which runs one file after the other. */
export function lanes(files: readonly string[]): string[][] {
  const isBeside = (file: string): boolean => BESIDE.some((pattern) => matchesGlob(file, pattern));
  return [files.filter((file) => !isBeside(file)), files.filter(isBeside)];
}
