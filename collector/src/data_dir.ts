/** The collector's data directory: there, and nobody else's. */
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { FlowspanError } from '../../store/errors.ts';

/** A directory that is ours until it is given back, or this process ends, however it ends. */
export interface HeldDirectory {
  release(): void;
}

/** Errors of a disk, not of the configuration: the collector watches all the same, and tries again to write. */
const DISK_ERRORS = new Set(['EROFS', 'ENOSPC', 'EDQUOT', 'EIO']);

/**
 * Makes a directory and keeps other collectors out of it: two would send each other's segments. A disk that takes no
 * directory at the moment is no reason to fail.
 * @throws FlowspanError FLOW_COLLECTOR_DATA_DIR if it cannot be made, FLOW_COLLECTOR_RUNNING if another collector has it
 */
export async function holdDirectory(path: string): Promise<HeldDirectory> {
  try {
    makeDirectory(resolve(path));
  } catch (cause) {
    if (DISK_ERRORS.has((cause as NodeJS.ErrnoException).code ?? '')) return await holdName(trueName(path));
    const message = `${path} cannot be made: set data_dir to a directory that this user may write`;
    throw new FlowspanError('FLOW_COLLECTOR_DATA_DIR', message, { cause });
  }
  return await holdName(trueName(path));
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

async function holdName(path: string): Promise<HeldDirectory> {
  const server = createServer((socket) => socket.destroy());
  // A name in the kernel's abstract namespace: taken by one, and free again the moment its holder is gone.
  const name = `\0flowspan-collector-${createHash('sha256').update(path).digest('hex')}`;
  try {
    await listen(server, name);
  } catch (cause) {
    const message = `another collector uses ${path}: stop it, or set data_dir to another directory`;
    throw new FlowspanError('FLOW_COLLECTOR_RUNNING', message, { cause });
  }
  server.unref();
  return { release: () => server.close() };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, reject) => {
    server.once('error', reject);
    server.listen(path, done);
  });
}
