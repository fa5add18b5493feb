/** What the redirect tells on /metrics. Its counters are the kernel's: they go on over restarts of the collector. */
import { ENUMS } from '../../../../bpf/dataplane/redirect.gen.ts';
import { ENUMS as PEER } from '../../../../bpf/dataplane/redirect_peer.gen.ts';
import { ENUMS as PROXY } from '../../../../bpf/dataplane/redirect_proxy.gen.ts';
import type { FamilyInfo } from '../../deliver/prometheus/edge_family.ts';
import { samplesOf } from '../../deliver/prometheus/self_families.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import { TABLES, type Table } from './plan.ts';

/** What is there to tell. */
export interface RedirectNumbers {
  /** Maps redirect_counters, peer_counters and proxy_counters. */
  readonly sockmap: readonly number[];
  readonly peer: readonly number[];
  readonly proxy: readonly number[];
  entries(table: Table): number;
  readonly room: Readonly<Record<Table, number>>;
}

type Rows = [string[], number][];

interface RedirectFamily {
  readonly info: FamilyInfo;
  readonly rows: (numbers: RedirectNumbers) => Rows;
}

const family = (
  type: FamilyInfo['type'],
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  rows: RedirectFamily['rows'],
): RedirectFamily => ({
  info: { name: `flowspan_redirect_${name}`, type, unit, help: `${help} Unit: ${unit}.`, labels },
  rows,
});

const { redirect_counter: SOCKMAP } = ENUMS;
const { peer_counter } = PEER;
const { proxy_counter } = PROXY;
const at = (counters: readonly number[], place: number): number => counters[place] ?? 0;

const ALL: readonly RedirectFamily[] = [
  family(
    ...(['counter', 'connections_total', 'connections'] as const),
    "Connections of pods that opted in, by way and what became of them: redirected; audited, they would have been; judged, left to TCP since policies judge their requests; own, the proxy's. Of the way peer: SYNs.",
    ['way', 'outcome'],
    ({ sockmap, peer, proxy }) => [
      [['sockmap', 'redirected'], at(sockmap, SOCKMAP.joined)],
      [['sockmap', 'audited'], at(sockmap, SOCKMAP.audited)],
      [['sockmap', 'judged'], at(sockmap, SOCKMAP.judged)],
      [['peer', 'redirected'], at(peer, peer_counter.opened)],
      [['peer', 'audited'], at(peer, peer_counter.audited)],
      [['proxy', 'redirected'], at(proxy, proxy_counter.handed_over)],
      [['proxy', 'audited'], at(proxy, proxy_counter.audited)],
      [['proxy', 'own'], at(proxy, proxy_counter.own)],
    ],
  ),
  family('counter', 'messages_total', 'messages', 'Messages that went past TCP.', [], ({ sockmap }) => [
    [[], at(sockmap, SOCKMAP.messages)],
  ]),
  family('counter', 'bytes_total', 'bytes', 'Bytes that went past TCP.', [], ({ sockmap }) => [
    [[], at(sockmap, SOCKMAP.bytes)],
  ]),
  family(
    ...(['counter', 'stops_total', 'directions'] as const),
    'Directions of connections that went back to TCP, by why: no_peer, the other end had not opted in or was gone; unread, its reader was behind; opted_out; in_tcp, bytes had gone through TCP before.',
    ['reason'],
    ({ sockmap }) =>
      (['no_peer', 'unread', 'opted_out', 'in_tcp'] as const).map((reason) => [[reason], at(sockmap, SOCKMAP[reason])]),
  ),
  family('counter', 'peer_packets_total', 'packets', "Packets that went past the node's stack.", [], ({ peer }) => [
    [[], at(peer, peer_counter.packets)],
  ]),
  family(
    ...(['counter', 'original_destinations_total', 'answers'] as const),
    'Proxies that asked where a connection was to go, and were told.',
    [],
    ({ proxy }) => [[[], at(proxy, proxy_counter.asked)]],
  ),
  family('gauge', 'entries', 'entries', 'Entries of the maps that say who opted in.', ['map'], ({ entries }) =>
    TABLES.map((table) => [[table], entries(table)]),
  ),
  family('gauge', 'entries_limit', 'entries', 'Entries that these maps hold at most.', ['map'], ({ room }) =>
    TABLES.map((table) => [[table], room[table]]),
  ),
];

/** Published names. */
export const REDIRECT_INFOS: readonly FamilyInfo[] = ALL.map(({ info }) => info);

export function* redirectFamilies(numbers: RedirectNumbers): Generator<Family> {
  for (const { info, rows } of ALL) yield { ...info, samples: samplesOf(info, rows(numbers)) };
}
