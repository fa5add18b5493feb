/** What this machine says of itself. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { findCgroupMount } from './attach/host.ts';
import { addressBytes } from './correlate/address_text.ts';
import type { StateFiles } from './state_files.ts';

/** Id of this boot, a UUID. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Where cgroup v2 is mounted; undefined if it is not. Watched may be less than that, resolved is all of it. */
export function cgroupMount(): string | undefined {
  return findCgroupMount(readFileSync('/proc/self/mounts', 'utf8'));
}

/** Id of this machine's installation; one from the data directory where the system has none, as in most containers. */
export function machineId(state: StateFiles): string {
  let id = '';
  try {
    id = readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    // Not there: the data directory keeps one.
  }
  return id === '' ? state.machineId() : id;
}

const HOLD_MS = 10_000;

/** Addresses of this machine's own network namespace, 16 bytes each, at most ten seconds old. */
export function nodeAddresses(): () => readonly Uint8Array[] {
  let addresses: readonly Uint8Array[] = [];
  let readMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readMs > HOLD_MS) {
      const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
      addresses = interfaces.map(({ address }) => addressBytes(address));
      readMs = performance.now();
    }
    return addresses;
  };
}
