/**
 * Network devices of this machine's network namespaces, asked of the kernel by rtnetlink: also of namespaces in which this
 * process is not, which takes CAP_NET_ADMIN and no more.
 */
import { closeSync, openSync } from 'node:fs';
import { askRouting, isNativeError } from '../../native/addon.ts';

/** A device. */
export interface NetworkDevice {
  /** Unique in its namespace. */
  readonly ifindex: number;
  readonly name: string;
  /** As `ip link` says it: `veth`, `bridge`, …; empty for what is none of these. */
  readonly kind: string;
  /** Ethernet address, six bytes; of what has none: fewer. */
  readonly address: Buffer;
  readonly isLoopback: boolean;
  /** Of a veth pair: index of the other end, in its namespace; 0: none, or it is not told. */
  readonly otherIfindex: number;
  /** Number that this process's namespace has for the other end's; undefined: they are in the same one. */
  readonly otherNamespace: number | undefined;
}

/* include/uapi/linux/rtnetlink.h, netlink.h, if_link.h, net_namespace.h. */
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_LINK_NETNSID = 37;
const IFLA_TARGET_NETNSID = 46;
const IFLA_INFO_KIND = 1;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;
const NOT_ASSIGNED = -1;
const IFF_LOOPBACK = 0x8;
/** Flag bits of an attribute's type. */
const TYPE_BITS = 0x3fff;
const HEAD = 16;
/** struct ifinfomsg, struct rtgenmsg. */
const [LINK_MESSAGE, NAMESPACE_MESSAGE] = [16, 4];
const EEXIST = 17;
/** How often a list is asked for that changed while it was told. */
const TRIES = 5;

const aligned = (length: number): number => (length + 3) & ~3;

function number(type: number, value: number): Buffer {
  const attribute = Buffer.alloc(8);
  attribute.writeUInt16LE(8, 0);
  attribute.writeUInt16LE(type, 2);
  attribute.writeInt32LE(value, 4);
  return attribute;
}

function ask(type: number, flags: number, fixedBytes: number, attributes: readonly Buffer[]): Buffer {
  const message = Buffer.concat([Buffer.alloc(HEAD + fixedBytes), ...attributes]);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  message.writeUInt32LE(1, 8);
  return askRouting(message);
}

/** Bodies of attributes by type. Lengths that lead out of their place end the reading. */
function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    attributes.set(bytes.readUInt16LE(at + 2) & TYPE_BITS, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return attributes;
}

const text = (bytes: Buffer | undefined): string => bytes?.toString('utf8').replace(/\0.*$/s, '') ?? '';

const int32 = (bytes: Buffer | undefined): number | undefined =>
  bytes === undefined || bytes.length < 4 ? undefined : bytes.readInt32LE();

function deviceOf(message: Buffer): NetworkDevice {
  const attributes = attributesOf(message.subarray(HEAD + LINK_MESSAGE));
  return {
    ifindex: message.readInt32LE(HEAD + 4),
    name: text(attributes.get(IFLA_IFNAME)),
    kind: text(attributesOf(attributes.get(IFLA_LINKINFO) ?? Buffer.alloc(0)).get(IFLA_INFO_KIND)),
    address: Buffer.from(attributes.get(IFLA_ADDRESS) ?? []),
    isLoopback: (message.readUInt32LE(HEAD + 8) & IFF_LOOPBACK) !== 0,
    otherIfindex: int32(attributes.get(IFLA_LINK)) ?? 0,
    otherNamespace: int32(attributes.get(IFLA_LINK_NETNSID)),
  };
}

/** Undefined if it changed while it was told. */
function devicesOf(answer: Buffer): NetworkDevice[] | undefined {
  const devices: NetworkDevice[] = [];
  for (let at = 0; at + HEAD <= answer.length; ) {
    const length = answer.readUInt32LE(at);
    if (length < HEAD || at + length > answer.length) break;
    if ((answer.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0) return undefined;
    const message = answer.subarray(at, at + length);
    if (message.readUInt16LE(4) === RTM_NEWLINK && length >= HEAD + LINK_MESSAGE) devices.push(deviceOf(message));
    at += aligned(length);
  }
  return devices;
}

/**
 * The number that this process's network namespace has for another; it gets one if it has none. Such numbers are the
 * kernel's, and hold as long as the namespace.
 * @param path such as /proc/PID/ns/net
 * @throws NativeError FLOW_NATIVE_NETLINK; NodeJS.ErrnoException if the path cannot be opened
 */
export function namespaceNumber(path: string): number {
  const descriptor = openSync(path, 'r');
  try {
    const of = number(NETNSA_FD, descriptor);
    const find = (): number => {
      const answer = ask(RTM_GETNSID, 0, NAMESPACE_MESSAGE, [of]);
      return int32(attributesOf(answer.subarray(HEAD + NAMESPACE_MESSAGE)).get(NETNSA_NSID)) ?? NOT_ASSIGNED;
    };
    const found = find();
    if (found !== NOT_ASSIGNED) return found;
    try {
      ask(RTM_NEWNSID, NLM_F_ACK, NAMESPACE_MESSAGE, [of, number(NETNSA_NSID, NOT_ASSIGNED)]);
    } catch (error) {
      // The kernel has just given it one.
      if (!isNativeError(error) || error.errno !== EEXIST) throw error;
    }
    return find();
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Devices of a network namespace.
 * @param namespace as `namespaceNumber` says; left out: those of this process's
 * @throws NativeError FLOW_NATIVE_NETLINK
 */
export function networkDevices(namespace?: number): NetworkDevice[] {
  const target = namespace === undefined ? [] : [number(IFLA_TARGET_NETNSID, namespace)];
  for (let tries = 1; ; tries += 1) {
    const devices = devicesOf(ask(RTM_GETLINK, NLM_F_DUMP, LINK_MESSAGE, target));
    if (devices !== undefined) return devices;
    if (tries === TRIES) throw new Error('the list of network devices never stays as it is while it is told');
  }
}
