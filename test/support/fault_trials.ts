/** Trials of the test that measures causes: one fault each, with varied places and rates, and what must be said of it. */
import type { FaultClientOptions } from '../../deploy/lab/fault_client.ts';
import type { FaultServerOptions } from '../../deploy/lab/fault_server.ts';
import type { Cause } from '../../query-api/cli/explain/finding.ts';
import { random } from './abuser.ts';

/** The faults of the demo, and none. */
export const FAULTS = [
  'packet_loss',
  'server_error',
  'packet_loss+server_error',
  'reads_late',
  'slow_application',
  'connection_refused',
  'client_abort',
  'accept_queue_overflow',
  'none',
] as const;

/** What is done on one pair of hosts in one round. */
export interface Trial {
  /** One of FAULTS: what must be found, joined by +. */
  readonly fault: (typeof FAULTS)[number];
  readonly expected: readonly Cause[];
  /** Which of the two hosts of the pair is the client. */
  readonly client: 'a' | 'b';
  readonly ipVersion: 4 | 6;
  /** The only server on this port in all rounds. */
  readonly port: number;
  /** Undefined: nobody listens. */
  readonly server: Omit<FaultServerOptions, 'port'> | undefined;
  readonly asks: Omit<FaultClientOptions, 'host' | 'port'>;
  /** Where packets are lost on their way in, and which share of them. */
  readonly loss: { readonly at: 'client' | 'server'; readonly share: number } | undefined;
}

/** How long clients ask, in milliseconds. */
const ASK_MS = 3_000;

/** Picks for one trial. */
class Dice {
  readonly #chance: () => number;

  constructor(seed: number) {
    this.#chance = random(seed);
  }

  within(from: number, to: number): number {
    return from + this.#chance() * (to - from);
  }

  whole(from: number, to: number): number {
    return Math.floor(this.within(from, to + 1));
  }

  one<T>(...list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)] as T;
  }
}

type Kind = Pick<Trial, 'server' | 'asks' | 'loss'>;

/** Traffic without a fault, of any kind. */
function normal(dice: Dice): Kind {
  return {
    server: { body_bytes: dice.one(0, 200, 5_000, 60_000), delay_ms: dice.one(0, 0, 5, 30) },
    asks: {
      for_ms: ASK_MS,
      lanes: dice.whole(2, 6),
      gap_ms: dice.whole(30, 60),
      keep_alive: dice.one(true, false),
      body_bytes: dice.one(0, 0, 300, 20_000),
      path: dice.one('/', '/items/7', '/a/long/path/with/parts?and=a&query=too'),
    },
    loss: undefined,
  };
}

/** Packets that are to be lost in a trial on average, so that hardly ever too few for a finding are. */
const LOST_PACKETS = 14;

/** Enough packets for the share that is lost to be seen: a request is one packet at least, and so is its answer. */
function lossy(dice: Dice): Pick<Trial, 'asks' | 'loss'> {
  const loss = { at: dice.one('client', 'server'), share: dice.within(0.01, 0.05) } as const;
  const at_least = Math.ceil(LOST_PACKETS / loss.share);
  return { asks: { ...normal(dice).asks, lanes: 12, gap_ms: 8, at_least }, loss };
}

const KINDS: Readonly<Record<(typeof FAULTS)[number], (dice: Dice) => Partial<Kind>>> = {
  none: (dice) => ({ server: { ...normal(dice).server, not_found_share: dice.one(0, 0.3) } }),
  packet_loss: lossy,
  server_error: (dice) => ({ server: { ...normal(dice).server, error_share: dice.within(0.04, 0.7) } }),
  'packet_loss+server_error': (dice) => ({
    ...lossy(dice),
    server: { ...normal(dice).server, error_share: dice.within(0.04, 0.7) },
  }),
  reads_late: (dice) => {
    const block_ms = dice.whole(300, 600);
    return { server: { ...normal(dice).server, delay_ms: 0, block_ms, every_ms: block_ms + dice.whole(30, 100) } };
  },
  slow_application: (dice) => ({ server: { ...normal(dice).server, delay_ms: dice.whole(280, 700) } }),
  connection_refused: () => ({ server: undefined }),
  client_abort: (dice) => ({
    server: { ...normal(dice).server, delay_ms: dice.whole(50, 80) },
    asks: {
      ...normal(dice).asks,
      abort_after_ms: dice.whole(10, 25),
      abort_by: dice.one('fin', 'reset'),
      abort_share: dice.one(0.25, 0.5, 1),
    },
  }),
  accept_queue_overflow: (dice) => ({
    server: {
      ...normal(dice).server,
      backlog: dice.whole(1, 3),
      block_ms: dice.whole(1_000, 1_400),
      every_ms: dice.whole(200, 500),
      blocks: 1,
    },
    asks: { ...normal(dice).asks, keep_alive: false, lanes: dice.whole(12, 20) },
  }),
};

/** The trials of one round, one per pair of hosts; which pair has which fault goes round. */
export function trialsOf(round: number, pairs: number, seed: number): Trial[] {
  return Array.from({ length: pairs }, (_, pair) => {
    const fault = FAULTS[Math.min((pair + round) % pairs, FAULTS.length - 1)]!;
    const dice = new Dice(seed + round * 1_000 + pair);
    const kind = { ...normal(dice), ...KINDS[fault](dice) };
    return {
      fault,
      expected: fault === 'none' ? [] : (fault.split('+') as Cause[]),
      client: dice.one('a', 'b'),
      ipVersion: dice.one(4, 6),
      port: 10_000 + round * 100 + pair,
      ...kind,
    };
  });
}
