/** Brings changes to the kernel's maps, step by step. */

import { FlowspanError } from '../../../../store/errors.ts';
import type { BpfMap, BpfObject } from '../../../native/addon.ts';
import type { Capacity, Changes } from './compile.ts';
import { type CellWrite, type Entry, indexKey, writeEntry } from './layout.ts';

/** struct service_writes_context: how many there are, how many were written. */
const CONTEXT_BYTES = 8;

/** What of an object is needed. */
interface DataPlane extends Pick<BpfObject, 'testRun'> {
  map(name: string): BpfMap;
}

/** How much an object's maps hold. */
export function capacityOf(object: DataPlane): Capacity {
  const most = (name: string) => {
    const map = object.map(name);
    map.close();
    return map.maxEntries;
  };
  return {
    services: most('services'),
    slots: most('service_slots'),
    backends: most('service_backends'),
    frontends: most('service_frontends'),
  };
}

function setAll(map: BpfMap, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  const keys = Buffer.concat(entries.map(({ key }) => key));
  const values = Buffer.concat(entries.map(({ value }) => value));
  if (map.updateBatch(keys, values) < entries.length)
    throw new FlowspanError('FLOW_SERVICES_MAP_FULL', `map ${map.name} has no room for ${entries.length} more entries`);
}

/** Writes a data plane's load balancing. */
export class ServiceKernel {
  readonly #object: DataPlane;
  readonly #writes: BpfMap;
  readonly #backends: BpfMap;
  readonly #frontends: BpfMap;
  readonly #nodes: BpfMap;

  /** @param object loaded */
  constructor(object: DataPlane) {
    this.#object = object;
    this.#writes = object.map('service_writes');
    this.#backends = object.map('service_backends');
    this.#frontends = object.map('service_frontends');
    this.#nodes = object.map('node_addresses');
  }

  /** @throws FlowspanError FLOW_SERVICES_MAP_FULL if a map had no room; what was written until then holds together */
  apply(changes: Changes): void {
    setAll(this.#backends, changes.backends);
    this.#write(changes.writes);
    setAll(this.#frontends, changes.frontends);
    setAll(this.#nodes, changes.nodes);
    this.#frontends.deleteBatch(Buffer.concat(changes.frontendsGone));
    this.#nodes.deleteBatch(Buffer.concat(changes.nodesGone));
    this.#write(changes.writesAfter);
    setAll(this.#backends, changes.backendsGone);
  }

  #write(writes: readonly CellWrite[]): void {
    const most = this.#writes.maxEntries;
    for (let from = 0; from < writes.length; from += most) {
      const some = writes.slice(from, from + most);
      setAll(
        this.#writes,
        some.map((write, place) => ({ key: indexKey(place), value: writeEntry(write) })),
      );
      const context = Buffer.alloc(CONTEXT_BYTES);
      context.writeUInt32LE(some.length);
      const { ctx } = this.#object.testRun('apply_service_writes', { ctx: context });
      if (ctx.readUInt32LE(4) !== some.length)
        throw new FlowspanError('FLOW_SERVICES_WRITE', `${ctx.readUInt32LE(4)} of ${some.length} cells were written`);
    }
  }
}
