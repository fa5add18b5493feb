/** Two namespaces joined by a cable, each with a cgroup of its own, and the redirect between them, held by pins alone. */

import { ENUMS } from '../../../bpf/dataplane/redirect.gen.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import type { Place } from '../../../deploy/lab/program.ts';
import { PinnedDataplane, u32, u64 } from './pinned.ts';

/** Places of the map redirect_counters. */
export const {
  messages: REDIRECTED,
  no_peer: NO_PEER,
  unread: UNREAD,
  opted_out: OPTED_OUT,
  in_tcp: IN_TCP,
  bytes: BYTES,
  joined: JOINED,
  audited: AUDITED,
} = ENUMS.redirect_counter;

/** Command line of a script of this folder. */
export const script = (name: string, ...words: (string | number)[]): string[] => [
  process.execPath,
  `${import.meta.dirname}/${name}`,
  ...words.map(String),
];

type End = 'client' | 'server';
type Mode = keyof typeof ENUMS.redirect_mode;

/** What moved since the counting began. */
export interface Counted {
  /** As in the map redirect_counters. */
  readonly stops: readonly number[];
  /** Sent and received by the client's end of the cable, headers included. */
  readonly cableBytes: number;
}

export interface Redirect {
  /** Above both ends'. */
  readonly cgroup: Cgroup;
  readonly client: Place & { readonly namespace: Namespace };
  readonly server: Place & { readonly namespace: Namespace };
  /** The server's addresses. */
  readonly host: { readonly ipv4: string; readonly ipv6: string };
  readonly dataplane: PinnedDataplane;
  /** These opted in from now on, and no other. */
  optIn(...ends: End[]): void;
  /** So far they go from now on; who is left out, and who observes, did not opt in. */
  goAsFar(ends: Readonly<Partial<Record<End, Mode>>>): void;
  counting(): () => Counted;
  end(): void;
}

function cableBytes(namespace: Namespace): number {
  const links = JSON.parse(namespace.run('ip', '-s', '-j', 'link', 'show', 'type', 'veth')) as {
    stats64: { rx: { bytes: number }; tx: { bytes: number } };
  }[];
  return links.reduce((sum, { stats64: { rx, tx } }) => sum + rx.bytes + tx.bytes, 0);
}

/** Nobody has opted in yet. Programs are found one level below a cgroup that opts in, as a pod's containers are. */
export function createRedirect(): Redirect {
  const parent = createCgroup();
  const pods: Record<End, Cgroup> = {
    client: createCgroup(parent.path, 'client'),
    server: createCgroup(parent.path, 'server'),
  };
  const [client, server] = [createNamespace(), createNamespace()];
  const pair = connect(client, server);
  const dataplane = new PinnedDataplane();
  dataplane.attachMap('redirect_message', 'msg_verdict', 'redirect_ends');
  dataplane.freeze('redirect_ends');
  dataplane.attachCgroup('redirect_join', 'sock_ops', parent);
  dataplane.attachMap('redirect_take', 'skb_verdict', 'redirect_ends');
  const change = (map: string, key: Uint8Array, value: Uint8Array, mode: Mode): void => {
    if (mode !== 'observe') dataplane.set(map, key, value);
    else if (dataplane.keys(map).some((each) => each.equals(key))) dataplane.delete(map, key);
  };
  const goAsFar: Redirect['goAsFar'] = (ends) => {
    for (const end of ['client', 'server'] as const) {
      const { [end]: mode = 'observe' } = ends;
      const value = ENUMS.redirect_mode[mode];
      change('redirect_cgroups', u64(pods[end].id), u32(value), mode);
      for (const address of Object.values(pair[end === 'client' ? 'a' : 'b']))
        change('redirect_addresses', addressBytes(address), Buffer.of(value), mode);
    }
  };
  const read = (): Counted => ({
    stops: dataplane.counters('redirect_counters'),
    cableBytes: cableBytes(client),
  });
  return {
    cgroup: parent,
    client: { namespace: client, cgroup: createCgroup(pods.client.path, 'container') },
    server: { namespace: server, cgroup: createCgroup(pods.server.path, 'container') },
    host: pair.b,
    dataplane,
    optIn: (...ends) => goAsFar(Object.fromEntries(ends.map((end) => [end, 'enforce']))),
    goAsFar,
    counting: () => {
      const begin = read();
      return () => {
        const now = read();
        return {
          stops: now.stops.map((stop, i) => stop - (begin.stops[i] ?? 0)),
          cableBytes: now.cableBytes - begin.cableBytes,
        };
      };
    },
    end: () => {
      parent.remove();
      client.remove();
      server.remove();
      dataplane.close();
    },
  };
}
