/** The end that a record was observed at: whose socket it is, and who listens there where nobody has touched it yet. */
import { ENUMS, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import { IDENTITY_BASES as BASIS } from '../../../store/tables.ts';
import type { Arena } from '../batch/arena.ts';
import type { LocalEnd } from './local_end.ts';
import type { Servers } from './servers.ts';

/** Answers for one record at a time; how it was told stands in `basis` until the next. */
export class ObservedEnd {
  readonly #arena: Arena;
  readonly #localEnd: LocalEnd;
  readonly #servers: Servers;
  /** One of IDENTITY_BASES. */
  basis: number = BASIS.none;
  /** Servers whose owner could not be told, so far. */
  missed = 0;

  constructor(arena: Arena, localEnd: LocalEnd, servers: Servers) {
    this.#arena = arena;
    this.#localEnd = localEnd;
    this.#servers = servers;
  }

  /** Number of its endpoint, 0 if it is not known. @param point client or server */
  of(record: number, point: number, isFlow: boolean): number {
    const number = this.#localEnd.of(record, isFlow);
    if (number !== 0 || point !== ENUMS.observation_point.server) {
      this.basis = number === 0 ? BASIS.none : BASIS.cgroup;
      return number;
    }
    const { bytes, view } = this.#arena;
    const protocol = bytes[record + F.protocol] as number;
    const port = view.getUint16(record + F.destination_port, true);
    const netns = view.getUint32(record + F.netns, true);
    const listener = this.#servers.within(netns, protocol, record + F.destination_address, port);
    this.basis = listener === 0 ? BASIS.none : BASIS.socket;
    if (listener === 0) this.missed += 1;
    return listener;
  }
}
