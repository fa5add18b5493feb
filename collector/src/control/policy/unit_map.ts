/**
 * Units in the kernel, by place (bpf/dataplane/http_units.bpf.h). A unit that is there already, also one that an earlier
 * collector wrote, keeps its number, so that a head that was begun goes on; a place is written anew only when nobody asks
 * for the unit before.
 */
import { createHash } from 'node:crypto';
import { ENUMS, HTTP_UNIT } from '../../../../bpf/dataplane/http_unit.gen.ts';
import { FlowspanError } from '../../../../store/errors.ts';
import type { BpfMap } from '../../../native/addon.ts';
import type { HttpUnit } from './http/unit.ts';
import { bytesOfUnit } from './http/unit_bytes.ts';

const { units: PLACES } = ENUMS.http_limit;
/** Numbers are 32 bits: a place, and what makes it another number each time. */
const ROUNDS = 2 ** 32 / PLACES - 1;

const placeBytes = (place: number): Buffer => {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(place);
  return key;
};

/** Of a unit's bytes without its number. */
const contentOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64');

interface Held {
  readonly number: number;
  readonly content: string;
}

export class UnitMap {
  readonly #map: BpfMap;
  /** By place. */
  readonly #held: (Held | undefined)[];
  readonly #contents = new WeakMap<HttpUnit, string>();

  /** @param map of any run's; what is there is taken up */
  constructor(map: BpfMap) {
    this.#map = map;
    this.#held = Array.from({ length: Math.min(map.maxEntries, PLACES) }, (_, place) => {
      const bytes = map.lookup(placeBytes(place));
      const number = bytes?.readUInt32LE(HTTP_UNIT.number) ?? 0;
      if (bytes === null || number === 0) return undefined;
      bytes.writeUInt32LE(0, HTTP_UNIT.number);
      return { number, content: contentOf(bytes) };
    });
  }

  /** Most units of one set of tables: there is room for those before, too. */
  get mostOfSet(): number {
    return Math.floor(this.#held.length / 2);
  }

  /**
   * Writes those that are not there.
   * @param generation of the set that will name them, which is another each time
   * @returns their numbers
   * @throws FLOW_POLICY_UNITS_FULL
   */
  write(units: readonly HttpUnit[], generation: number): readonly number[] {
    const numbers: number[] = [];
    const known = new Map(
      this.#held.filter((one) => one !== undefined).map(({ content, number }) => [content, number]),
    );
    for (const unit of units) {
      const content = this.#contents.get(unit) ?? contentOf(bytesOfUnit(unit, 0));
      this.#contents.set(unit, content);
      const number = known.get(content) ?? this.#add(unit, content, generation);
      known.set(content, number);
      numbers.push(number);
    }
    return numbers;
  }

  #add(unit: HttpUnit, content: string, generation: number): number {
    const place = this.#held.indexOf(undefined);
    if (place < 0)
      throw new FlowspanError(
        'FLOW_POLICY_UNITS_FULL',
        `there are ${this.#held.length} tables of HTTP rules already, the policies before stay in force: try again when those that count no more are freed`,
      );
    const number = place + PLACES * (1 + (generation % ROUNDS));
    this.#map.update(placeBytes(place), bytesOfUnit(unit, number));
    this.#held[place] = { number, content };
    return number;
  }

  /** Frees all but some, which no set of tables may name any more. */
  keep(numbers: ReadonlySet<number>): void {
    for (const [place, held] of this.#held.entries()) {
      if (held === undefined || numbers.has(held.number)) continue;
      // Whoever still reads in it meets the same bytes, and no longer the number.
      const bytes = this.#map.lookup(placeBytes(place));
      bytes?.writeUInt32LE(0, HTTP_UNIT.number);
      if (bytes !== null) this.#map.update(placeBytes(place), bytes);
      this.#held[place] = undefined;
    }
  }
}
