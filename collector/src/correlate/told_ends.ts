/**
 * What was told of the ends of connections, by socket: as long as nothing is learned that could tell otherwise, the next
 * records of a connection are told the same without asking again. Answers hold within one second at most, since much of
 * what they are made of holds for some seconds. Both ends' numbers lie in one place, so that a record costs few lines of
 * memory.
 */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import { DIALLED_NUMBERS, type Dialled } from './dialled.ts';
import { NO_CONTAINER } from './local_end.ts';

/** Sockets that are remembered, each in the one place that its cookie names; a power of two. */
const PLACES = 1 << 14;

/** What identifies a connection stands together in its records, as words and half a word. */
const KEY_BEGIN = F.socket_cookie;
const KEY_WORDS = (F.protocol - F.socket_cookie) / 4;

/** What is kept of a connection, word by word, behind its key. */
const HALF_WORD = KEY_WORDS;
const GROUP = KEY_WORDS + 1;
const SEQUENCE_GROUP = KEY_WORDS + 2;
const LEARNED_S = KEY_WORDS + 3;
const LEARNED_AT = KEY_WORDS + 4;
const TOLD_S = KEY_WORDS + 5;
const TOLD_AT = KEY_WORDS + 6;
const SOURCE = KEY_WORDS + 7;
const DESTINATION = KEY_WORDS + 8;
const SOURCE_BASIS = KEY_WORDS + 9;
const DESTINATION_BASIS = KEY_WORDS + 10;
const PEER_OBSERVED = KEY_WORDS + 11;
const DIALLED = KEY_WORDS + 12;
const WIDTH = DIALLED + DIALLED_NUMBERS;

/** What is told of a connection, as Ends has it. */
export interface TellableEnds {
  source: number;
  destination: number;
  sourceBasis: number;
  destinationBasis: number;
  peerObserved: number;
  container: Buffer;
  readonly dialled: Dialled;
}

/** Says how many changes there were that concern a connection, by the groups that it is in. */
export type CountChanges = (group: number, sequenceGroup: number) => number;

export class ToldEnds {
  readonly #arena: Arena;
  readonly #count: CountChanges;
  /** All numbers by place × width. */
  readonly #words = new Uint32Array(PLACES * WIDTH);
  readonly #containers: Buffer[] = Array.from({ length: PLACES }, () => NO_CONTAINER);

  constructor(arena: Arena, count: CountChanges) {
    this.#arena = arena;
    this.#count = count;
  }

  /** Whether a record that tells the same was learned from in this second, and nothing has changed since. */
  isLearned(record: number, nowS: number): boolean {
    const at = this.#at(record);
    return this.#words[at + LEARNED_S] === nowS && this.#holds(at, LEARNED_AT) && this.#is(at, record);
  }

  /**
   * All that a record tells was learned.
   * @param group low half of the connection's fingerprint
   */
  learned(record: number, group: number, nowS: number): void {
    const at = this.#claim(record, group);
    this.#words[at + LEARNED_S] = nowS;
    this.#words[at + LEARNED_AT] = this.#changes(at);
  }

  /** Tells what was told of the record's connection in this second; false if it has to be asked again. */
  recall(record: number, nowS: number, ends: TellableEnds): boolean {
    const at = this.#at(record);
    const words = this.#words;
    if (words[at + TOLD_S] !== nowS || !this.#holds(at, TOLD_AT) || !this.#is(at, record)) return false;
    ends.source = words[at + SOURCE] as number;
    ends.destination = words[at + DESTINATION] as number;
    ends.sourceBasis = words[at + SOURCE_BASIS] as number;
    ends.destinationBasis = words[at + DESTINATION_BASIS] as number;
    ends.peerObserved = words[at + PEER_OBSERVED] as number;
    ends.dialled.recall(words, at + DIALLED);
    ends.container = this.#containers[at / WIDTH] as Buffer;
    return true;
  }

  /** Remembers what is told of the record's connection now. @param group as in `learned` */
  keep(record: number, group: number, nowS: number, ends: TellableEnds): void {
    const at = this.#claim(record, group);
    const words = this.#words;
    words[at + TOLD_S] = nowS;
    words[at + TOLD_AT] = this.#changes(at);
    words[at + SOURCE] = ends.source;
    words[at + DESTINATION] = ends.destination;
    words[at + SOURCE_BASIS] = ends.sourceBasis;
    words[at + DESTINATION_BASIS] = ends.destinationBasis;
    words[at + PEER_OBSERVED] = ends.peerObserved;
    ends.dialled.keep(words, at + DIALLED);
    this.#containers[at / WIDTH] = ends.container;
  }

  #at(record: number): number {
    const { view } = this.#arena;
    // Cookies are given out one after the other.
    const cookie = view.getUint32(record + F.socket_cookie, true) + view.getUint32(record + F.generation, true);
    return (cookie & (PLACES - 1)) * WIDTH;
  }

  #holds(at: number, counted: number): boolean {
    return this.#words[at + counted] === this.#changes(at);
  }

  #changes(at: number): number {
    const words = this.#words;
    return this.#count(words[at + GROUP] as number, words[at + SEQUENCE_GROUP] as number) >>> 0;
  }

  #is(at: number, record: number): boolean {
    const { view } = this.#arena;
    const words = this.#words;
    for (let word = 0; word < KEY_WORDS; word += 1) {
      if (words[at + word] !== view.getUint32(record + KEY_BEGIN + 4 * word, true)) return false;
    }
    return words[at + HALF_WORD] === view.getUint16(record + F.protocol, true);
  }

  #claim(record: number, group: number): number {
    const at = this.#at(record);
    const words = this.#words;
    if (this.#is(at, record)) return at;
    const { view } = this.#arena;
    for (let word = 0; word < KEY_WORDS; word += 1)
      words[at + word] = view.getUint32(record + KEY_BEGIN + 4 * word, true);
    words[at + HALF_WORD] = view.getUint16(record + F.protocol, true);
    words[at + GROUP] = group;
    words[at + SEQUENCE_GROUP] = view.getUint32(record + F.source_sequence_begin, true);
    words[at + LEARNED_S] = 0;
    words[at + TOLD_S] = 0;
    return at;
  }
}
