/** Address ranges outside this system that the configuration gives a name. */
import ipaddr from 'ipaddr.js';

/** Named ranges, as configured. */
export interface OutsideRange {
  readonly name: string;
  readonly cidrs: readonly string[];
}

interface Range {
  readonly name: string;
  /** 16 bytes, IPv4 as v4-mapped. */
  readonly network: readonly number[];
  /** Bits of the network that count, out of 128. */
  readonly prefix: number;
}

function contains(range: Range, address: Uint8Array): boolean {
  const whole = range.prefix >> 3;
  for (let index = 0; index < whole; index += 1) if (range.network[index] !== address[index]) return false;
  const rest = range.prefix & 7;
  return rest === 0 || ((range.network[whole] as number) ^ (address[whole] as number)) >> (8 - rest) === 0;
}

/** Finds the name of an address: the longest prefix wins. */
export class OutsideRanges {
  readonly #ranges: readonly Range[];

  /** @throws Error for a range that is none; the configuration's schema refuses it before */
  constructor(ranges: readonly OutsideRange[]) {
    this.#ranges = ranges
      .flatMap(({ name, cidrs }) =>
        cidrs.map((cidr) => {
          const [address, bits] = ipaddr.parseCIDR(cidr);
          const mapped = address instanceof ipaddr.IPv4;
          const network = mapped ? address.toIPv4MappedAddress().toByteArray() : address.toByteArray();
          return { name, network, prefix: mapped ? bits + 96 : bits };
        }),
      )
      .sort((a, b) => b.prefix - a.prefix);
  }

  /** @param address 16 bytes, IPv4 as v4-mapped */
  nameOf(address: Uint8Array): string | undefined {
    return this.#ranges.find((range) => contains(range, address))?.name;
  }
}
