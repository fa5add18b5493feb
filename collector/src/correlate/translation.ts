/** Where connection tracking has translated addresses of a connection: asked seldom, bounded, and counted where not. */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Conntrack } from '../../native/addon.ts';
import type { Arena } from '../batch/arena.ts';
import type { Counters } from '../counters.ts';

export interface TranslationOptions {
  readonly arena: Arena;
  readonly counters: Counters;
  /** Where kube-proxy translates; undefined if it cannot be asked. */
  readonly conntrack?: Pick<Conntrack, 'find' | 'findOriginal'> | undefined;
}

/** Answers that are no port: it was not translated; nobody could be asked, which another record may try again. */
export const UNTRANSLATED = 0;
export const UNASKED = -1;

/** Lookups in one look at the rings: some 5 µs each. */
const LOOKUPS_PER_LOOK = 256;
/** What `Conntrack.findOriginal` writes. */
const ORIGINAL = { clientAddress: 0, dialledAddress: 16, clientPort: 32, dialledPort: 34, size: 36 } as const;

/** Answers one question at a time; what belongs to the answer stands in the arena until the next. */
export class Translation {
  readonly #options: TranslationOptions;
  /** Offset of the address of the backend, or of the client itself. */
  readonly address: number;
  /** Offset of the address that the client dialled. */
  readonly dialledAddress: number;
  #lookups = 0;

  constructor(options: TranslationOptions) {
    this.#options = options;
    this.address = options.arena.take(ORIGINAL.size) + ORIGINAL.clientAddress;
    this.dialledAddress = this.address + ORIGINAL.dialledAddress;
  }

  /** Whether there is anybody to ask. */
  get isThere(): boolean {
    return this.#options.conntrack !== undefined;
  }

  /** Before each look. */
  begin(): void {
    this.#lookups = 0;
  }

  /** Port of the backend that the record's client reached, UNTRANSLATED or UNASKED. */
  backend(record: number): number {
    const { arena, conntrack } = this.#options;
    if (conntrack === undefined || !this.#mayAsk()) return UNASKED;
    const { bytes, view } = arena;
    const port = conntrack.find(
      bytes[record + F.protocol] as number,
      bytes,
      record + F.source_address,
      view.getUint16(record + F.source_port, true),
      record + F.destination_address,
      view.getUint16(record + F.destination_port, true),
      this.address,
    );
    return port < 0 ? this.#failed() : port;
  }

  /** Port of the client itself, of which the record's server sees another address; UNTRANSLATED or UNASKED. */
  client(record: number): number {
    const { arena, conntrack } = this.#options;
    if (conntrack === undefined || !this.#mayAsk()) return UNASKED;
    const { bytes, view } = arena;
    const found = conntrack.findOriginal(
      bytes[record + F.protocol] as number,
      bytes,
      record + F.destination_address,
      view.getUint16(record + F.destination_port, true),
      record + F.source_address,
      view.getUint16(record + F.source_port, true),
      this.address,
    );
    if (found < 0) return this.#failed();
    return found === 0 ? UNTRANSLATED : view.getUint16(this.address + ORIGINAL.clientPort, true);
  }

  /** Port that the client dialled. */
  get dialledPort(): number {
    return this.#options.arena.view.getUint16(this.address + ORIGINAL.dialledPort, true);
  }

  #failed(): number {
    this.#options.counters.discard('conntrack_lookup_failed');
    return UNASKED;
  }

  #mayAsk(): boolean {
    this.#lookups += 1;
    if (this.#lookups <= LOOKUPS_PER_LOOK) return true;
    this.#options.counters.discard('conntrack_lookup_limit');
    return false;
  }
}
