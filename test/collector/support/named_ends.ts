/** The two ends of rows by name, and sources of identity that say what a test wants. */
import type { Identity, IdentitySource, ServiceName } from '../../../collector/src/control/identity.ts';
import { NOBODY_SURE } from '../../../collector/src/control/identity.ts';
import { addressBytes, addressText } from '../../../collector/src/correlate/address_text.ts';
import { openPath, type PathOptions, type Row } from './path.ts';
import { connection, record, type Values } from './records.ts';

export const flow = (values: Values) => record('flow', connection(values));
export const event = (values: Values) => record('tcp_event', connection(values));
export const process = (executable: string, cgroupPaths: string[] = ['/']) => ({
  ...{ executable, command: executable, cgroupPaths },
});

export const CLIENT = { observation_point: 'client', pid: 100 };
export const SERVER = { observation_point: 'server', pid: 200, traffic_direction: 'ingress' };
export const PAIR = { processes: { 100: process('wrk'), 200: process('nginx') } };

/** A data path that names the ends of each row, by the endpoints told so far. */
export function openNamed(options: PathOptions = {}) {
  const path = openPath(options);
  const names = new Map<string, string>([['null', '?']]);
  const name = (id: unknown) => names.get(String(id));
  const named = (table: string, records: readonly Buffer[], text: (row: Row) => string): string[] => {
    const rows = path.feed(table, ...records);
    for (const { identity } of path.endpoints.takeChanged()) names.set(identity.id.toString(), identity.workload);
    return rows.map(text);
  };
  const both = (row: Row) => `${name(row.source_endpoint_id)}>${name(row.destination_endpoint_id)}`;
  return {
    ...path,
    bothEnds: path.ends,
    /** `source>destination` of each row. */
    ends: (table: string, ...records: Buffer[]) => named(table, records, both),
    /** The same with how each end was told: `source>destination basis>basis`. */
    told: (table: string, ...records: Buffer[]) =>
      named(table, records, (row) => `${both(row)} ${row.source_basis}>${row.destination_basis}`),
    /** The same with what was dialled and where that led to: `source>destination namespace/name address:port`. */
    dialled: (table: string, ...records: Buffer[]) =>
      named(table, records, (row) => {
        const service = row.service_name === null ? '-' : `${row.service_namespace}/${row.service_name}`;
        const backend = row.backend_port === null ? '-' : `${row.backend_address}:${row.backend_port}`;
        return `${both(row)} ${service} ${backend}`;
      }),
  };
}

export function pod(id: bigint, workload: string, here = true): Identity {
  return {
    ...{ id, kind: 'pod', namespace: 'shop', workload, name: `${workload}-0`, containerId: '', cgroupPath: '' },
    ...{ here, labels: {} },
  };
}

/** Whoever has an address: from when until when, in milliseconds since the epoch. */
export interface Holder {
  readonly address: string;
  readonly identity: Identity;
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** A source as Kubernetes is one: addresses that change hands, services that are dialled. */
export class Cluster implements IdentitySource {
  readonly name = 'cluster';
  readonly dated = true;
  /** Changed by tests as the cluster changes. */
  holders: Holder[] = [];
  services: { address: string; port: number; service: ServiceName }[] = [];
  /** Of these nobody is told for sure. */
  doubtful: string[] = [];
  /** Addresses and times that were asked about; services that were asked for. */
  readonly asked: [string, number][] = [];
  readonly askedServices: string[] = [];

  async start(): Promise<void> {
    // Tests change the fields.
  }

  close(): void {
    // Nothing runs.
  }

  ofCgroup(): undefined {
    return undefined;
  }

  ofProcess(): undefined {
    return undefined;
  }

  ofAddress(address: Uint8Array, timeMs: number): Identity | typeof NOBODY_SURE | undefined {
    const text = addressText(address, 0);
    this.asked.push([text, timeMs]);
    if (this.doubtful.includes(text)) return NOBODY_SURE;
    const all = this.holders.filter((holder) => holder.address === text);
    const holder = all.find(({ fromMs = 0, toMs = Number.POSITIVE_INFINITY }) => fromMs <= timeMs && timeMs < toMs);
    return holder?.identity ?? (all.length > 0 ? NOBODY_SURE : undefined);
  }

  dialled(_protocol: number, address: Uint8Array, port: number): ServiceName | undefined {
    const text = addressText(address, 0);
    this.askedServices.push(`${text}:${port}`);
    return this.services.find((one) => one.address === text && one.port === port)?.service;
  }
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/** Connection tracking that knows what it is told: backends by what is dialled, and the other way round. */
export class Tracked {
  readonly backends = new Map<string, Place | number>();
  /** By server and the client that it sees: the client itself and what it dialled. */
  readonly originals = new Map<string, { client: Place; dialled: Place } | number>();
  asked = 0;

  readonly find = (
    _protocol: number,
    arena: Uint8Array,
    _source: number,
    _sourcePort: number,
    destination: number,
    destinationPort: number,
    out: number,
  ): number => {
    this.asked += 1;
    const backend = this.backends.get(`${addressText(arena, destination)}:${destinationPort}`) ?? 0;
    if (typeof backend === 'number') return backend;
    arena.set(addressBytes(backend.address), out);
    return backend.port;
  };

  readonly findOriginal = (
    _protocol: number,
    arena: Uint8Array,
    server: number,
    serverPort: number,
    client: number,
    clientPort: number,
    out: number,
  ): number => {
    this.asked += 1;
    const key = `${addressText(arena, server)}:${serverPort}<${addressText(arena, client)}:${clientPort}`;
    const found = this.originals.get(key) ?? 0;
    if (typeof found === 'number') return found;
    arena.set(addressBytes(found.client.address), out);
    arena.set(addressBytes(found.dialled.address), out + 16);
    new DataView(arena.buffer, arena.byteOffset).setUint16(out + 32, found.client.port, true);
    new DataView(arena.buffer, arena.byteOffset).setUint16(out + 34, found.dialled.port, true);
    return 1;
  };
}
