/** What records tell, in words: enough to see that each kind is written. */
import { CGROUP_RECORD, ENUMS, FLOW_RECORD, TCP_EVENT_RECORD } from '../../../bpf/wire/events.gen.ts';
import type { Ring } from '../../../collector/native/addon.ts';

const IPPROTO_UDP = 17;

function wordOf(names: Readonly<Record<string, number>>, value: number | undefined): string {
  return Object.entries(names).find(([, number]) => number === value)?.[0] ?? `${value}`;
}

/** Kind of a record and, where there are several, which: `flow udp`, `retransmit timeout`, `cgroup created`. */
export function recordName(record: Buffer): string {
  switch (record[4]) {
    case ENUMS.record_kind.flow:
      return record[FLOW_RECORD.protocol] === IPPROTO_UDP ? 'flow udp' : 'flow tcp';
    case ENUMS.record_kind.cgroup:
      return `cgroup ${wordOf(ENUMS.cgroup_change, record[CGROUP_RECORD.cgroup_change])}`;
    case ENUMS.record_kind.tcp_event: {
      const event = wordOf(ENUMS.event_kind, record[TCP_EVENT_RECORD.event_kind]);
      if (event !== 'retransmit') return event;
      return `retransmit ${wordOf(ENUMS.retransmit_cause, record[TCP_EVENT_RECORD.retransmit_cause])}`;
    }
    default:
      return wordOf(ENUMS.record_kind, record[4]);
  }
}

/** Counts what rings hold. */
export class RecordCounts {
  readonly records: Record<string, number> = {};
  /** Records that carry `endpoint` as their other end's. */
  stamped = 0;
  readonly #rings: readonly Ring[];
  readonly #endpoint: bigint;
  readonly #buffer: Buffer;

  constructor(rings: readonly Ring[], endpoint: bigint) {
    this.#rings = rings;
    this.#endpoint = endpoint;
    this.#buffer = Buffer.alloc(Math.max(...rings.map(({ size }) => size)));
  }

  /** Takes what was written until now. */
  take(): void {
    for (const ring of this.#rings) this.#count(ring.drain(this.#buffer));
  }

  #count(bytes: number): void {
    for (let at = 0; at < bytes; ) {
      const length = this.#buffer.readUInt32LE(at);
      const record = this.#buffer.subarray(at, at + length);
      const name = recordName(record);
      this.records[name] = (this.records[name] ?? 0) + 1;
      const isConnection = record[4] !== ENUMS.record_kind.cgroup;
      if (isConnection && record.readBigUInt64LE(FLOW_RECORD.peer_endpoint_id) === this.#endpoint) this.stamped++;
      at += Math.ceil(length / 8) * 8;
    }
  }
}
