/** Maps in which the data plane tells the observer what it decided about a connection, or asks it: both objects have them. */
import type { BpfObject } from '../../native/addon.ts';
import { AttachError } from './error.ts';

/** As bpf/decisions.bpf.h and bpf/redirected.bpf.c have them. */
export const SHARED_MAPS = [
  'service_choices',
  'service_datagrams',
  'service_refusals',
  'policy_connections',
  'redirect_sockets',
  'redirect_readers',
] as const;

/** Where the data plane has pinned its maps. */
export interface SharedMaps {
  /** @returns the name of a map in a BPF filesystem */
  path(map: string): string;
  /** Whether anything goes past TCP, and is to be read there. */
  readonly redirects: boolean;
}

/** Entries of these maps where there is no data plane: one that keeps room for all of its entries is never looked at then. */
export const UNSHARED_ENTRIES: Readonly<Record<string, number>> = { service_datagrams: 1, service_refusals: 1 };

/**
 * Makes the data plane's maps the observer's; before its load.
 * @throws AttachError FLOW_ATTACH_SHARED if one is not there, or laid out otherwise
 */
export function takeUpShared(object: Pick<BpfObject, 'reuseMap'>, shared: SharedMaps): void {
  for (const map of SHARED_MAPS) {
    const path = shared.path(map);
    if (object.reuseMap(map, path)) continue;
    throw new AttachError(
      'FLOW_ATTACH_SHARED',
      `${path}, which the data plane has made, is not the map ${map} that the observer reads`,
      'Build both objects from one source: make bpf.',
    );
  }
}
