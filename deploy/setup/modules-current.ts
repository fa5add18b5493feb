/** Exits 0 if node_modules holds the versions of package-lock.json, else 1. Takes 50 ms where npm takes a second. */
import { readFileSync } from 'node:fs';

interface Lock {
  packages: Record<string, { version?: string; optional?: boolean }>;
}

/** npm's lock file, or the one it leaves in node_modules for what it has installed; undefined if there is none. */
function readLock(path: string): Lock | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Lock;
  } catch {
    return undefined;
  }
}

const wanted = readLock('package-lock.json');
const installed = readLock('node_modules/.package-lock.json');
const current = Object.entries(wanted?.packages ?? {}).every(([path, { version, optional }]) => {
  const found = installed?.packages[path];
  return path === '' || (found === undefined ? optional === true : found.version === version);
});
process.exit(wanted !== undefined && installed !== undefined && current ? 0 : 1);
