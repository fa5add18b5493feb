/** What the redirect's maps are to hold, of pods of this node that ask for something. */
import type { Mode } from '../../config_dataplane.ts';
import type { Condition } from '../objects/source.ts';
import {
  addressEntry,
  cgroupEntry,
  type Entry,
  endpointEntry,
  listenerEntry,
  portEntry,
  type VethEnds,
} from './layout.ts';
import type { Settings } from './settings.ts';

/** Maps that user space fills. */
export const TABLES = [
  'redirect_cgroups',
  'redirect_addresses',
  'peer_endpoints',
  'proxy_listeners',
  'proxy_ports',
] as const;
export type Table = (typeof TABLES)[number];

/** A pod of this node in its own network namespace. */
export interface PlannedPod {
  readonly namespace: string;
  readonly name: string;
  /** audit or enforce. */
  readonly mode: Mode;
  readonly settings: Settings;
  readonly addresses: readonly string[];
  /** Ids of its cgroups: its own, or those of its containers. */
  readonly cgroups: readonly bigint[];
  /** Undefined if it has none that is known, or was not asked for. */
  readonly ends: VethEnds | undefined;
  /** Whether its devices are known. */
  readonly isNetworkKnown: boolean;
}

/** What each map is to hold, by key in hexadecimal. */
export type Plan = Readonly<Record<Table, ReadonlyMap<string, Entry>>>;

/** Entries that a map holds at most. */
export type Room = Readonly<Record<Table, number>>;

interface Wanted {
  readonly table: Table;
  readonly entry: Entry;
}

function wantedBy({ settings, mode, addresses, cgroups, ends }: PlannedPod): Wanted[] {
  const { sockmap, peer, proxy } = settings;
  const wanted: Wanted[] = [];
  const add = (table: Table, entry: Entry) => wanted.push({ table, entry });
  if (sockmap) {
    for (const id of cgroups) add('redirect_cgroups', cgroupEntry(id, mode));
    for (const address of addresses) add('redirect_addresses', addressEntry(address, mode));
  }
  if (peer && ends !== undefined)
    for (const address of addresses) add('peer_endpoints', endpointEntry(address, ends, mode));
  if (proxy !== undefined)
    for (const id of cgroups) {
      for (const port of proxy.ports) add('proxy_ports', portEntry(id, port));
      add('proxy_listeners', listenerEntry(id, proxy, mode));
    }
  return wanted;
}

const refused = ({ namespace, name }: PlannedPod, reason: string, message: string): Condition => ({
  ...{ kind: 'Pod', namespace, name, accepted: false, reason, message },
});

/** Addresses that more than one pod says it has. */
function takenAddresses(pods: readonly PlannedPod[]): ReadonlySet<string> {
  const [seen, taken] = [new Set<string>(), new Set<string>()];
  for (const address of pods.flatMap(({ addresses }) => addresses)) (seen.has(address) ? taken : seen).add(address);
  return taken;
}

/** @param pods in the order in which they have a right to room */
export function planOf(pods: readonly PlannedPod[], room: Room): { plan: Plan; conditions: Condition[] } {
  const plan = Object.fromEntries(TABLES.map((table) => [table, new Map<string, Entry>()])) as unknown as Record<
    Table,
    Map<string, Entry>
  >;
  const conditions: Condition[] = [];
  const taken = takenAddresses(pods);
  for (const pod of pods) {
    const own = pod.addresses.find((address) => taken.has(address));
    if (own !== undefined) {
      const message = `${own} is also another pod's of this node: neither is redirected until one of them is gone`;
      conditions.push(refused(pod, 'AddressTaken', message));
      continue;
    }
    const wanted = wantedBy(pod);
    const full = TABLES.find(
      (table) => plan[table].size + wanted.filter((each) => each.table === table).length > room[table],
    );
    if (full !== undefined) {
      conditions.push(
        refused(pod, 'NoRoom', `${full} holds ${room[full]} entries: it is not redirected; let fewer pods ask`),
      );
      continue;
    }
    for (const { table, entry } of wanted) plan[table].set(entry.key.toString('hex'), entry);
    if (pod.settings.peer && pod.ends === undefined && pod.isNetworkKnown) {
      const message = "it has no veth pair whose other end is the node's: its packets go through the node's stack";
      conditions.push(refused(pod, 'NoVeth', message));
    }
  }
  return { plan, conditions };
}
