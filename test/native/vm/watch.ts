/**
 * Runs inside the emulated machine: attaches every program, makes some traffic, and prints what came of it as one line,
 * a `Report` behind REPORT_MARK.
 */
import http from 'node:http';
import { ENUMS, FLOW_RECORD } from '../../../bpf/wire/events.gen.ts';
import { isNativeError, openConntrack, openRing, type Ring } from '../../../collector/native/addon.ts';
import { AddressTable, addressTableOf } from '../../../collector/src/attach/address_table.ts';
import { AttachError } from '../../../collector/src/attach/error.ts';
import { checkHost } from '../../../collector/src/attach/host.ts';
import { attachPrograms } from '../../../collector/src/attach/load.ts';

/** Begins the line that carries the report. */
export const REPORT_MARK = 'FLOWSPAN-REPORT ';

/** Addresses that are given to the kernel. */
const ADDRESSES = 1000;
const ENDPOINT = 0xfedc_ba98_7654_3211n;
const CGROUP = String(ENUMS.record_kind.cgroup);

/** Requests made, one after the other, on one connection. */
export const REQUESTS = 10;

export interface Report {
  readonly kernel: string;
  /** Empty when the programs were attached. */
  readonly error: string;
  /** The last lines of the verifier, when there was an error. */
  readonly log: string;
  readonly programs: readonly { name: string; attached: boolean; reason: string; verifiedInstructions: number }[];
  /** Records by their kind's number. */
  readonly records: Readonly<Record<string, number>>;
  /** Code and error number of what connection tracking said, which has no modules here; empty if it was there. */
  readonly conntrack: string;
  /** How many addresses found no room in the kernel's table. */
  readonly homeless: number;
  /** Records that carry the endpoint of their other end. */
  readonly stamped: number;
}

const objectPath = new URL('../../../build/bpf/flowspan.bpf.o', import.meta.url).pathname;

async function makeRequests(): Promise<void> {
  const server = http.createServer((request, response) => {
    request.resume();
    response.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(8080, '127.0.0.1', resolve));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < REQUESTS; i++) {
    await new Promise<void>((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port: 8080, path: `/items/${i}`, agent }, (response) => {
        response.resume().on('end', resolve);
      });
      request.on('error', reject);
    });
  }
  agent.destroy();
  await new Promise((resolve) => server.close(resolve));
}

/** Gives the loopback address, and many others beside it, to an endpoint. @returns how many found no room */
function fillAddresses(table: AddressTable): number {
  const address = Buffer.alloc(16);
  address.writeUInt16BE(0xffff, 10);
  let homeless = 0;
  for (let index = 0; index < ADDRESSES; index++) {
    address.writeUInt32BE(0x7f000001 + index, 12);
    table.set(address, ENDPOINT);
    if (table.isFull) homeless += table.apply();
  }
  return homeless + table.apply();
}

/** Counts records by kind; @returns those that carry the endpoint */
function countKinds(ring: Ring, counts: Record<string, number>): number {
  let stamped = 0;
  const buffer = Buffer.alloc(ring.size);
  const bytes = ring.drain(buffer);
  for (let at = 0; at < bytes; at += Math.ceil(buffer.readUInt32LE(at) / 8) * 8) {
    const kind = String(buffer[at + 4]);
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (kind !== CGROUP && buffer.readBigUInt64LE(at + FLOW_RECORD.peer_endpoint_id) === ENDPOINT) stamped++;
  }
  return stamped;
}

function askConntrack(): string {
  try {
    openConntrack().close();
    return '';
  } catch (error) {
    if (!isNativeError(error)) throw error;
    return `${error.code} ${error.errno}`;
  }
}

async function watch(): Promise<Report> {
  const { kernel, cgroupRoot } = checkHost();
  const conntrack = askConntrack();
  try {
    const { object, programs, iterators, close } = attachPrograms({
      objectPath,
      cgroupRoot,
      ...addressTableOf(4 * ADDRESSES),
    });
    const homeless = fillAddresses(new AddressTable(object));
    const rings = ['records', 'request_records'].map((name) => openRing(object, name));
    for (const link of iterators.values()) await object.iterateAsync(link);
    await makeRequests();
    for (const link of iterators.values()) await object.iterateAsync(link);
    const records: Record<string, number> = {};
    const stamped = rings.map((ring) => countKinds(ring, records)).reduce((sum, count) => sum + count, 0);
    const costs = new Map(object.programStats().map((stats) => [stats.name, stats.verifiedInstructions]));
    close();
    return {
      kernel,
      error: '',
      log: '',
      programs: programs.map(({ name, attached, reason }) => ({
        name,
        attached,
        reason,
        verifiedInstructions: costs.get(name) ?? 0,
      })),
      records,
      conntrack,
      homeless,
      stamped,
    };
  } catch (error) {
    if (!(error instanceof AttachError)) throw error;
    const log = (error.cause as { log?: string } | undefined)?.log ?? '';
    return {
      kernel,
      error: error.message,
      log: log.split('\n').slice(-20).join('\n'),
      programs: [],
      records: {},
      conntrack,
      homeless: 0,
      stamped: 0,
    };
  }
}

if (import.meta.main) console.log(REPORT_MARK + JSON.stringify(await watch()));
