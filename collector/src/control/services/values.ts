/**
 * Reads values of other people's objects strictly: what is there must be of its type and within its bounds, or the whole
 * object is refused; half of an object must never balance. Fields that are not read may hold anything.
 */
import ipaddr from 'ipaddr.js';
import { Refused } from './refused.ts';

/** Longest name: that of a DNS subdomain. */
const NAME = 253;

/** A value and where it stands, such as `spec.ports[0].port`. */
export interface Located {
  readonly value: unknown;
  readonly path: string;
}

function malformed({ path }: Located, what: string): never {
  throw new Refused('Malformed', `${path} is not ${what}. Correct it; what was in force before stays so.`);
}

const isAbsent = ({ value }: Located): boolean => value === undefined || value === null;

/** A field, however deep; absent where something on the way is. */
export function field(of: Located, ...keys: readonly string[]): Located {
  let { value, path } = of;
  for (const key of keys) {
    const here: Located = { value, path };
    path = path === '' ? key : `${path}.${key}`;
    if (isAbsent(here)) return { value: undefined, path };
    if (typeof value !== 'object' || value === null || Array.isArray(value)) malformed(here, 'an object');
    value = Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
  }
  return { value, path };
}

/** Entries of a list; none if it is absent. */
export function items(of: Located, most: number): Located[] {
  if (isAbsent(of)) return [];
  if (!Array.isArray(of.value) || of.value.length > most) malformed(of, `a list of at most ${most}`);
  return (of.value as unknown[]).map((value, index) => ({ value, path: `${of.path}[${index}]` }));
}

/** A text; empty if it is absent. */
export function text(of: Located, longest = NAME): string {
  if (isAbsent(of)) return '';
  const { value } = of;
  if (typeof value !== 'string' || value.length > longest || !value.isWellFormed())
    malformed(of, `a text of at most ${longest} characters`);
  return value;
}

/** A text that must be there. */
export function name(of: Located): string {
  const read = text(of);
  if (read === '') malformed(of, 'a name');
  return read;
}

/** One of some words; the first of them if it is absent or empty. */
export function word<Word extends string>(of: Located, ...words: readonly [Word, ...Word[]]): Word {
  if (isAbsent(of) || of.value === '') return words[0];
  return words.find((each) => each === of.value) ?? malformed(of, `one of ${words.join(', ')}`);
}

/** @param absent what an absent one counts as */
export function flag(of: Located, absent: boolean): boolean {
  if (isAbsent(of)) return absent;
  return typeof of.value === 'boolean' ? of.value : malformed(of, 'true or false');
}

/** @param absent what an absent one counts as; left out: it must be there */
export function whole(of: Located, least: number, most: number, absent?: number): number {
  if (isAbsent(of) && absent !== undefined) return absent;
  const { value } = of;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    malformed(of, `a whole number from ${least} to ${most}`);
  return value;
}

/** Four decimal parts without leading zeros: there is no other spelling. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|$)){4}$/;

/** An address in its one canonical text. */
export function address(of: Located): string {
  const written = text(of, 45);
  if (IPV4.test(written)) return written;
  // Not a zone, and no IPv4 address in disguise: it would be another key for the same frontend.
  if (written.includes(':') && !written.includes('%') && ipaddr.IPv6.isValid(written)) {
    const read = ipaddr.IPv6.parse(written);
    if (!read.isIPv4MappedAddress()) return read.toString();
  }
  return malformed(of, 'an IPv4 or IPv6 address');
}

/** 4 or 6. */
export type Family = 4 | 6;

/** Family of an address that `address` has read. */
export const familyOf = (canonical: string): Family => (canonical.includes(':') ? 6 : 4);

/** IP protocol number. */
export type Protocol = 6 | 17 | 132;

const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132 } as const;

/** TCP if it is absent, as the API says. */
export const protocol = (of: Located): Protocol => PROTOCOLS[word(of, 'TCP', 'UDP', 'SCTP')];

/** Name of a protocol. */
export const protocolName = (of: Protocol): string => (of === 6 ? 'TCP' : of === 17 ? 'UDP' : 'SCTP');

/** Its namespace and name; `metadata.namespace` is empty in manifests that mean `default`. */
export function named(object: Located): { namespace: string; name: string } {
  const namespace = text(field(object, 'metadata', 'namespace'));
  return { namespace: namespace === '' ? 'default' : namespace, name: name(field(object, 'metadata', 'name')) };
}
