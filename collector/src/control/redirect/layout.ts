/** The bytes of the redirect's map entries (bpf/dataplane/redirect.h, redirect_peer.h, redirect_proxy.h). */
import { ENUMS } from '../../../../bpf/dataplane/redirect.gen.ts';
import { PEER_ENDPOINT } from '../../../../bpf/dataplane/redirect_peer.gen.ts';
import { PROXY_LISTENER, PROXY_PORT } from '../../../../bpf/dataplane/redirect_proxy.gen.ts';
import type { Mode } from '../../config_dataplane.ts';
import { addressBytes } from '../../correlate/address_text.ts';
import type { ProxySettings } from './settings.ts';

/** An entry of a map. */
export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Where a pod is reached past the node's stack. */
export interface VethEnds {
  /** The node's end. */
  readonly ifindex: number;
  /** Ethernet address of the pod's end. */
  readonly address: Buffer;
  /** The same of the node's end. */
  readonly nodeAddress: Buffer;
}

const modeNumber = (mode: Mode): number => ENUMS.redirect_mode[mode];

function cgroupKey(id: bigint): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(id);
  return key;
}

/** Of `redirect_cgroups`. */
export function cgroupEntry(id: bigint, mode: Mode): Entry {
  const value = Buffer.alloc(4);
  value.writeUInt32LE(modeNumber(mode));
  return { key: cgroupKey(id), value };
}

/** Of `redirect_addresses`. */
export function addressEntry(address: string, mode: Mode): Entry {
  return { key: Buffer.from(addressBytes(address)), value: Buffer.of(modeNumber(mode)) };
}

/** Of `peer_endpoints`. */
export function endpointEntry(address: string, ends: VethEnds, mode: Mode): Entry {
  const value = Buffer.alloc(PEER_ENDPOINT.size);
  value.writeUInt32LE(ends.ifindex, PEER_ENDPOINT.ifindex);
  ends.address.copy(value, PEER_ENDPOINT.address);
  ends.nodeAddress.copy(value, PEER_ENDPOINT.node_address);
  value.writeUInt8(modeNumber(mode), PEER_ENDPOINT.redirect_mode);
  return { key: Buffer.from(addressBytes(address)), value };
}

/** Of `proxy_listeners`. */
export function listenerEntry(cgroup: bigint, { ipv4, ipv6, port }: ProxySettings, mode: Mode): Entry {
  const value = Buffer.alloc(PROXY_LISTENER.size);
  // The last four of the sixteen bytes of an IPv4 address.
  if (ipv4 !== undefined) value.set(addressBytes(ipv4).subarray(12), PROXY_LISTENER.ipv4);
  if (ipv6 !== undefined) value.set(addressBytes(ipv6), PROXY_LISTENER.ipv6);
  value.writeUInt16BE(port, PROXY_LISTENER.port);
  value.writeUInt8(modeNumber(mode), PROXY_LISTENER.redirect_mode);
  return { key: cgroupKey(cgroup), value };
}

/** Of `proxy_ports`. */
export function portEntry(cgroup: bigint, port: number): Entry {
  const key = Buffer.alloc(PROXY_PORT.size);
  key.writeBigUInt64LE(cgroup, PROXY_PORT.cgroup_id);
  key.writeUInt16LE(port, PROXY_PORT.port);
  return { key, value: Buffer.of(1) };
}
