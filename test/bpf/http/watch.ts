/** The kernel side on one cgroup, and the requests that it tells of. */
import { ENUMS, FLOW_RECORD, REQUEST_RECORD } from '../../../bpf/wire/events.gen.ts';
import { openRing, possibleCpus, type Ring } from '../../../collector/native/addon.ts';
import { type Attached, type AttachOptions, attachPrograms } from '../../../collector/src/attach/load.ts';
import type { Cgroup } from '../../../deploy/lab/cgroup.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import type { Exchange } from './exchange.ts';
import { label, readRequest, recordsOf } from './record.ts';

/** A request, as one end has seen it. */
export interface Seen extends Exchange {
  /** Label of enum observation_point. */
  readonly point: string;
  /** Number on its connection. */
  readonly index: number;
  readonly clientPort: number;
  readonly serverPort: number;
  /** TCP sequence numbers with which the two streams begin. */
  readonly begins: { readonly request: number; readonly response: number };
  readonly durationNs: number;
  readonly readNs: number;
  /** Label of enum verdict. */
  readonly verdict: string;
  /** 0: not measured. */
  readonly srttUs: number;
}

export class RequestWatcher {
  readonly #attached: Attached;
  readonly #requests: Ring;
  readonly #records: Ring;
  readonly #buffer = Buffer.alloc(4 * 1024 ** 2);
  readonly #seen: Seen[] = [];

  constructor(cgroup: Cgroup, options: Partial<AttachOptions> = {}) {
    this.#attached = attachPrograms({ objectPath: 'build/bpf/flowspan.bpf.o', cgroupRoot: cgroup.path, ...options });
    this.#requests = openRing(this.#attached.object, 'request_records');
    this.#records = openRing(this.#attached.object, 'records');
  }

  /** Finds the connections that are open already. */
  adopt(): void {
    const link = this.#attached.iterators.get('adopt_sockets');
    if (link !== undefined) this.#attached.object.iterate(link);
  }

  /** Requests whose target begins with `prefix`, so far, in the order of their ends. */
  seen(prefix: string): Seen[] {
    for (const record of recordsOf(this.#buffer.subarray(0, this.#requests.drain(this.#buffer))))
      this.#seen.push({
        ...readRequest(record),
        point: label('observation_point', record.readUInt8(REQUEST_RECORD.observation_point)),
        index: record.readUInt32LE(REQUEST_RECORD.request_index),
        clientPort: record.readUInt16LE(REQUEST_RECORD.source_port),
        serverPort: record.readUInt16LE(REQUEST_RECORD.destination_port),
        begins: {
          request: record.readUInt32LE(REQUEST_RECORD.source_sequence_begin),
          response: record.readUInt32LE(REQUEST_RECORD.destination_sequence_begin),
        },
        durationNs: Number(record.readBigUInt64LE(REQUEST_RECORD.duration_ns)),
        readNs: Number(record.readBigUInt64LE(REQUEST_RECORD.application_read_ns)),
        verdict: label('verdict', record.readUInt8(REQUEST_RECORD.verdict)),
        srttUs: record.readUInt32LE(REQUEST_RECORD.srtt_us),
      });
    return this.#seen.filter(({ target }) => target.startsWith(prefix));
  }

  /** Waits for at least `count` of them. */
  wait(prefix: string, count: number): Promise<Seen[]> {
    return eventually(`${count} requests for ${prefix}`, () => {
      const found = this.seen(prefix);
      return found.length >= count && found;
    });
  }

  /** What the connections to `port` that have ended since the last call carried: labels of enum application_protocol. */
  carried(port: number): string[] {
    return recordsOf(this.#buffer.subarray(0, this.#records.drain(this.#buffer)))
      .filter((record) => record[4] === ENUMS.record_kind.flow)
      .filter((record) => record.readUInt8(FLOW_RECORD.flow_state) === ENUMS.flow_state.closed)
      .filter((record) => record.readUInt16LE(FLOW_RECORD.destination_port) === port)
      .map((record) => label('application_protocol', record.readUInt8(FLOW_RECORD.application_protocol)));
  }

  /** Sum over CPUs. */
  discarded(reason: keyof typeof ENUMS.discard_reason): number {
    const key = Buffer.alloc(4);
    key.writeUInt32LE(ENUMS.discard_reason[reason]);
    const values = this.#attached.object.map('discard_counters').lookup(key) ?? Buffer.alloc(8 * possibleCpus);
    let sum = 0;
    for (let cpu = 0; cpu < possibleCpus; cpu += 1) sum += Number(values.readBigUInt64LE(cpu * 8));
    return sum;
  }

  close(): void {
    this.#requests.close();
    this.#records.close();
    this.#attached.close();
  }
}
