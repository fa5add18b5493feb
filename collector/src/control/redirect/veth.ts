/** Where the pods of a node are reached past its stack: the two ends of their veth pairs. */
import type { NetworkDevice } from '../network_devices.ts';
import type { VethEnds } from './layout.ts';

/** Of several, the one that network plugins give a pod for its own address. */
const FIRST = 'eth0';
const ETHERNET_BYTES = 6;

/** A pod's network. */
export interface PodNetwork {
  /** Number that this process's network namespace has for the pod's. */
  readonly namespace: number;
  readonly devices: readonly NetworkDevice[];
}

/**
 * The ends of a pod's pair.
 * @param node devices of this process's network namespace
 * @returns undefined if it has none whose other end is there
 */
export function vethEnds(node: readonly NetworkDevice[], { namespace, devices }: PodNetwork): VethEnds | undefined {
  const pairs = devices.flatMap((own) => {
    const other = node.find(({ ifindex }) => ifindex === own.otherIfindex);
    const isPair =
      own.kind === 'veth' &&
      other?.kind === 'veth' &&
      other.otherIfindex === own.ifindex &&
      other.otherNamespace === namespace;
    return isPair && own.address.length === ETHERNET_BYTES ? [{ own, other }] : [];
  });
  const pair = pairs.length === 1 ? pairs[0] : pairs.find(({ own }) => own.name === FIRST);
  return pair && { ifindex: pair.other.ifindex, address: pair.own.address, nodeAddress: pair.other.address };
}
