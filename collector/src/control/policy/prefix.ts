/** Ranges of addresses, IPv4 and IPv6 apart: an IPv6 range holds no IPv4 address, however short its prefix is. */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface Address {
  readonly family: 4 | 6;
  /** All its bits as one number, the first bit highest: 32 of them or 128. */
  readonly bits: bigint;
}

export interface Prefix extends Address {
  /** How many of the first bits count: 0 to 32 or 128. The others are 0. */
  readonly length: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;
const CIDR = /^([0-9a-fA-F.:]{2,45})\/(0|[1-9][0-9]{0,2})$/;
const MAPPED = /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/;

/** All addresses of a family. */
export const ALL = { 4: { family: 4, bits: 0n, length: 0 }, 6: { family: 6, bits: 0n, length: 0 } } as const;

/** What a network namespace keeps to itself. */
export const LOOPBACK: readonly Prefix[] = [
  { family: 4, bits: 127n << 24n, length: 8 },
  { family: 6, bits: 1n, length: 128 },
];

/** Reads an address; undefined if it is none, or an IPv4 address that is written as an IPv6 one. */
export function readAddress(text: string): Address | undefined {
  // No octal, hexadecimal or shortened forms: what one reader takes for 8.0.0.1 another takes for 10.0.0.1.
  const family = isIPv4(text) ? 4 : isIPv6(text) && !text.includes('%') ? 6 : undefined;
  if (family === undefined) return undefined;
  const bytes = ipaddr.parse(text);
  if (MAPPED.test(bytes.toString())) return undefined;
  return { family, bits: bytes.toByteArray().reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n) };
}

/** Reads `address/length`; bits behind the length are cut off. Undefined if it is none. */
export function readPrefix(text: string): Prefix | undefined {
  const [, written, length] = CIDR.exec(text) ?? [];
  const address = written === undefined ? undefined : readAddress(written);
  if (address === undefined || Number(length) > WIDTH[address.family]) return undefined;
  return cut(address, Number(length));
}

/** The first bits of an address. */
export function cut({ family, bits }: Address, length: number): Prefix {
  const rest = BigInt(WIDTH[family] - length);
  return { family, bits: (bits >> rest) << rest, length };
}

/** The range of one address. */
export function only(address: Address): Prefix {
  return cut(address, WIDTH[address.family]);
}

export function holds(prefix: Prefix, address: Address): boolean {
  return prefix.family === address.family && cut(address, prefix.length).bits === prefix.bits;
}

/** Whether a range lies in another or is the same. */
export function covers(prefix: Prefix, other: Prefix): boolean {
  return prefix.length <= other.length && holds(prefix, other);
}

/** One text for each range, for use as a key. */
export function keyOfPrefix({ family, bits, length }: Prefix): string {
  return `${family}:${bits.toString(16)}/${length}`;
}

/** The 16 bytes of an address, IPv4 as v4-mapped, and the length of its prefix among them. */
export function mappedPrefix({ family, bits, length }: Prefix): { readonly bytes: Buffer; readonly length: number } {
  const mapped = family === 4 ? (0xffffn << 32n) | bits : bits;
  const bytes = Buffer.from(mapped.toString(16).padStart(32, '0'), 'hex');
  return { bytes, length: family === 4 ? length + 96 : length };
}
