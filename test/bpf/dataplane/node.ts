/** A node with two pods behind veth pairs, and what its data plane must know of them. */

import { ENUMS, PEER_ENDPOINT } from '../../../bpf/dataplane/redirect_peer.gen.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import type { PinnedDataplane } from './pinned.ts';

/** A pod: its own end of the cable, and the node's. */
export interface Pod {
  readonly namespace: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Name of the node's end. */
  readonly device: string;
}

export interface Node {
  readonly namespace: Namespace;
  readonly pods: readonly [Pod, Pod];
  /** Attaches the program to the node's ends, and tells it of both pods, which go all the way. */
  attach(dataplane: PinnedDataplane): void;
  /** Both pods go so far from now on. */
  goAsFar(dataplane: PinnedDataplane, mode: keyof typeof ENUMS.redirect_mode): void;
  /** Takes the program away again. */
  detach(): void;
  remove(): void;
}

interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  /** Ethernet address. */
  readonly address: string;
  /** Of the other end. */
  readonly link_index: number;
}

const links = (namespace: Namespace): Link[] =>
  JSON.parse(namespace.run('ip', '-j', 'link', 'show', 'type', 'veth')) as Link[];

const ethernet = (text: string): Buffer => Buffer.from(text.replaceAll(':', ''), 'hex');

/** Pods reach each other through the node, which forwards. */
export function createNode(): Node {
  const namespace = createNamespace();
  for (const setting of ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    namespace.run('sysctl', '-qw', setting);
  const createPod = (): Pod => {
    const pod = createNamespace();
    const known = new Set(links(namespace).map(({ ifname }) => ifname));
    const pair = connect(namespace, pod);
    pod.run('ip', 'route', 'add', 'default', 'via', pair.a.ipv4);
    pod.run('ip', '-6', 'route', 'add', 'default', 'via', pair.a.ipv6);
    const device = links(namespace).find(({ ifname }) => !known.has(ifname))!.ifname;
    return { namespace: pod, ...pair.b, device };
  };
  const pods = [createPod(), createPod()] as const;
  const goAsFar: Node['goAsFar'] = (dataplane, mode) => {
    for (const { namespace: pod, ipv4, ipv6, device } of pods) {
      const node = links(namespace).find(({ ifname }) => ifname === device)!;
      const value = Buffer.alloc(PEER_ENDPOINT.size);
      value.writeUInt32LE(node.ifindex, PEER_ENDPOINT.ifindex);
      ethernet(links(pod)[0]!.address).copy(value, PEER_ENDPOINT.address);
      ethernet(node.address).copy(value, PEER_ENDPOINT.node_address);
      value.writeUInt8(ENUMS.redirect_mode[mode], PEER_ENDPOINT.redirect_mode);
      for (const address of [ipv4, ipv6]) dataplane.set('peer_endpoints', addressBytes(address), value);
    }
  };
  return {
    namespace,
    pods,
    goAsFar,
    attach(dataplane) {
      goAsFar(dataplane, 'enforce');
      for (const { device } of pods) {
        namespace.run('tc', 'qdisc', 'add', 'dev', device, 'clsact');
        const pinned = dataplane.program('peer_ingress');
        namespace.run('tc', 'filter', 'add', 'dev', device, 'ingress', 'bpf', 'direct-action', 'object-pinned', pinned);
      }
    },
    detach() {
      for (const { device } of pods) namespace.run('tc', 'qdisc', 'del', 'dev', device, 'clsact');
    },
    remove() {
      for (const { namespace: pod } of pods) pod.remove();
      namespace.remove();
    },
  };
}
