/** Reads back what an earlier run has written, which may have been killed between any two writes. */
import { SERVICE, SERVICE_BACKEND, TABLE_HEAD, TABLE_SLOT } from '../../../../bpf/dataplane/service_lb.gen.ts';
import type { BpfMap, MapEntries } from '../../../native/addon.ts';
import { addressText } from '../../correlate/address_text.ts';
import type { LeftTables } from './compile.ts';
import type { Entry } from './layout.ts';
import type { LeftPool } from './pool_table.ts';

/** Where the maps are; their handles stay the caller's. */
interface Maps {
  map(name: string): Pick<BpfMap, 'entries'>;
}

function entriesOf({ keys, values, count }: MapEntries): Entry[] {
  const [keySize, valueSize] = [keys.length / count, values.length / count];
  return Array.from({ length: count }, (_, at) => ({
    key: keys.subarray(at * keySize, (at + 1) * keySize),
    value: values.subarray(at * valueSize, (at + 1) * valueSize),
  }));
}

/** 0 if the place is free. */
const portAt = (values: Buffer, index: number): number =>
  values.readUInt16LE(index * SERVICE_BACKEND.size + SERVICE_BACKEND.port);

/** A backend by its index; undefined if the place is free. */
function backendAt(values: Buffer, index: number): { service: number; address: string; port: number } | undefined {
  const at = index * SERVICE_BACKEND.size;
  const port = portAt(values, index);
  if (port === 0) return undefined;
  const service = values.readUInt32LE(at + SERVICE_BACKEND.service);
  return { service, address: addressText(values, at + SERVICE_BACKEND.address_high), port };
}

/** Reads what is in the maps of a loaded data plane. */
export function readLeftTables(maps: Maps): LeftTables {
  const services = maps.map('services').entries();
  const slots = maps.map('service_slots').entries().values;
  const backends = maps.map('service_backends').entries();
  const named = new Set<number>();
  const pools: LeftPool[] = [];
  for (let index = 0; index < services.count; index += 1) {
    const cells = Array.from({ length: SERVICE.size / 8 }, (_, cell) =>
      services.values.readBigUInt64LE(index * SERVICE.size + cell * 8),
    );
    if (cells[0] === 0n) continue;
    const table = services.values.readUInt32LE(index * SERVICE.size + SERVICE.table);
    const head = table * TABLE_SLOT.size;
    const count = slots.readUInt16LE(head + TABLE_HEAD.slots);
    const own = Array.from({ length: count }, (_, slot) =>
      slots.readUInt32LE(head + (1 + slot) * TABLE_SLOT.size + TABLE_SLOT.backend),
    );
    const living = own.flatMap((place) => {
      const backend = backendAt(backends.values, place);
      return backend?.service === index ? [[place, backend] as const] : [];
    });
    for (const [place] of living) named.add(place);
    const version = slots.readUInt32LE(head + TABLE_HEAD.table_version);
    pools.push({ index, cells, table, version, slots: own, backends: new Map(living) });
  }
  // One that no slot names was about to come, or to go.
  const places = Array.from({ length: backends.count }, (_, place) => place);
  const isStray = (place: number) => !named.has(place) && portAt(backends.values, place) !== 0;
  return {
    pools,
    strayBackends: places.filter(isStray),
    frontends: entriesOf(maps.map('service_frontends').entries()),
    nodes: entriesOf(maps.map('node_addresses').entries()),
  };
}
