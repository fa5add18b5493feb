/** The bytes of load balancing's map entries (bpf/dataplane/service_lb.h). */
import {
  ENUMS,
  FRONTEND,
  FRONTEND_KEY,
  SERVICE,
  SERVICE_BACKEND,
  SERVICE_WRITE,
  TABLE_HEAD,
  TABLE_SLOT,
} from '../../../../bpf/dataplane/service_lb.gen.ts';
import { addressBytes } from '../../correlate/address_text.ts';
import type { Backend, Frontend, Pool } from './pools.ts';

/** Address of a node port, which is any of a node's: zero in its family. */
const ANY = { 4: '0.0.0.0', 6: '::' } as const;

/** Bytes that are written at once. */
const CELL = 8;

/** Eight bytes of `service_slots` or `services`. */
export interface CellWrite {
  readonly target: keyof typeof ENUMS.service_write_target;
  readonly cell: number;
  readonly index: number;
  readonly value: bigint;
}

/** An entry of a map. */
export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Writes 16 bytes. There are hundreds of thousands of addresses, nearly all of IPv4. */
function writeAddress(bytes: Buffer, at: number, address: string): void {
  if (address.includes(':')) {
    bytes.set(addressBytes(address), at);
    return;
  }
  bytes.writeUInt16BE(0xffff, at + 10);
  for (const [part, number] of address.split('.').entries()) bytes[at + 12 + part] = Number(number);
}

export function frontendEntry(frontend: Frontend, service: number): Entry {
  const key = Buffer.alloc(FRONTEND_KEY.size);
  const isNodePort = frontend.kind === 'node_port';
  writeAddress(key, FRONTEND_KEY.address_high, isNodePort ? ANY[frontend.family] : frontend.address);
  key.writeUInt16LE(frontend.port, FRONTEND_KEY.port);
  key.writeUInt8(frontend.protocol, FRONTEND_KEY.protocol);
  key.writeUInt8(isNodePort ? ENUMS.frontend_kind.node_port : 0, FRONTEND_KEY.frontend_kind);
  const value = Buffer.alloc(FRONTEND.size);
  value.writeUInt32LE(service, FRONTEND.service);
  value.writeUInt8(frontend.ownNodeOnly ? 1 : 0, FRONTEND.own_node_only);
  return { key, value };
}

export function indexKey(index: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(index);
  return key;
}

/** @param backend left out: nobody is there any more */
export function backendEntry(index: number, service: number, backend?: Backend): Entry {
  const value = Buffer.alloc(SERVICE_BACKEND.size);
  if (backend !== undefined) {
    writeAddress(value, SERVICE_BACKEND.address_high, backend.address);
    value.writeUInt32LE(service, SERVICE_BACKEND.service);
    value.writeUInt16LE(backend.port, SERVICE_BACKEND.port);
  }
  return { key: indexKey(index), value };
}

export function slotWrite(index: number, backend: number): CellWrite {
  const entry = Buffer.alloc(TABLE_SLOT.size);
  entry.writeUInt32LE(backend, TABLE_SLOT.backend);
  return { target: 'slot', cell: 0, index, value: entry.readBigUInt64LE() };
}

export function headWrite(index: number, version: number, slots: number, candidates: number): CellWrite {
  const entry = Buffer.alloc(TABLE_HEAD.size);
  entry.writeUInt32LE(version, TABLE_HEAD.table_version);
  entry.writeUInt16LE(slots, TABLE_HEAD.slots);
  entry.writeUInt16LE(candidates, TABLE_HEAD.candidates);
  return { target: 'slot', cell: 0, index, value: entry.readBigUInt64LE() };
}

/** An entry of `services`; without a pool, that of nobody. */
export function serviceCells(table: number, pool?: Pool): readonly bigint[] {
  const entry = Buffer.alloc(SERVICE.size);
  if (pool !== undefined) {
    entry.writeBigUInt64LE(pool.serviceId, SERVICE.service_id);
    entry.writeUInt32LE(pool.affinitySeconds, SERVICE.affinity_s);
    entry.writeUInt8(ENUMS.lb_mode[pool.mode], SERVICE.lb_mode);
    entry.writeUInt8(pool.isLocal ? 1 : 0, SERVICE.is_local);
    entry.writeUInt8(pool.hasOthers ? 1 : 0, SERVICE.has_others);
  }
  entry.writeUInt32LE(table, SERVICE.table);
  return Array.from({ length: SERVICE.size / CELL }, (_, cell) => entry.readBigUInt64LE(cell * CELL));
}

export function writeEntry({ target, cell, index, value }: CellWrite): Buffer {
  const entry = Buffer.alloc(SERVICE_WRITE.size);
  entry.writeUInt8(ENUMS.service_write_target[target], SERVICE_WRITE.service_write_target);
  entry.writeUInt8(cell, SERVICE_WRITE.cell);
  entry.writeUInt32LE(index, SERVICE_WRITE.index);
  entry.writeBigUInt64LE(value, SERVICE_WRITE.value);
  return entry;
}
