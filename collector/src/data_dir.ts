/** The collector's data directory: there, and nobody else's. */
import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { FlowspanError } from '../../store/errors.ts';
import { type HeldName, holdName } from './held_name.ts';

const AGAIN_MS = 10;
/** Errors of a disk, not of the configuration: the collector watches all the same, and tries again to write. */
const DISK_ERRORS = new Set(['EROFS', 'ENOSPC', 'EDQUOT', 'EIO']);

/**
 * Makes a directory and keeps other collectors out of it: two would send each other's segments. A disk that takes no
 * directory at the moment is no reason to fail.
 * @param patienceMs how long to wait for another collector that has it
 * @throws FlowspanError FLOW_COLLECTOR_DATA_DIR if it cannot be made, FLOW_COLLECTOR_RUNNING if another collector has it
 */
export async function holdDirectory(path: string, patienceMs = 0): Promise<HeldName> {
  try {
    makeDirectory(resolve(path));
  } catch (cause) {
    if (DISK_ERRORS.has((cause as NodeJS.ErrnoException).code ?? '')) return await holdPath(trueName(path), patienceMs);
    const message = `${path} cannot be made: set data_dir to a directory that this user may write`;
    throw new FlowspanError('FLOW_COLLECTOR_DATA_DIR', message, { cause });
  }
  return await holdPath(trueName(path), patienceMs);
}

/** The one name of a directory that may have several, and need not be there. */
export function trueName(path: string): string {
  const full = resolve(path);
  try {
    return realpathSync(full);
  } catch {
    const parent = dirname(full);
    return parent === full ? full : join(trueName(parent), basename(full));
  }
}

/** Not by Node's `recursive`, which says ENOENT where the file system can only be read. */
function makeDirectory(path: string): void {
  if (isDirectory(path)) return;
  if (dirname(path) !== path) makeDirectory(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Somebody else has just made it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(path)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

async function holdPath(path: string, patienceMs: number): Promise<HeldName> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await holdName('collector', path);
    } catch (cause) {
      if (performance.now() >= untilMs) {
        const message = `another collector uses ${path}: stop it, or set data_dir to another directory`;
        throw new FlowspanError('FLOW_COLLECTOR_RUNNING', message, { cause });
      }
    }
    await wait(AGAIN_MS);
  }
}
