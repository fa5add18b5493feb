/** Addresses between the 16 bytes of records and the text of rows that are built by hand. */
import ipaddr from 'ipaddr.js';

/** Text of 16 bytes; v4-mapped addresses as IPv4. */
export function addressText(bytes: Uint8Array, at: number): string {
  const address = ipaddr.fromByteArray([...bytes.subarray(at, at + 16)]);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
    ? address.toIPv4Address().toString()
    : address.toString();
}

/** 16 bytes of an address, IPv4 as v4-mapped. @throws Error if the text is no address */
export function addressBytes(text: string): Uint8Array {
  const address = ipaddr.parse(text.replace(/%.*$/, ''));
  return Uint8Array.from(
    address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress().toByteArray() : address.toByteArray(),
  );
}
