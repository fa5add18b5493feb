/**
 * Attaches every program, makes some traffic, and prints what came of it as one line, a `Report` behind REPORT_MARK.
 * Usage: node watch.ts whole, in the emulated machine; node watch.ts CGROUP, in that cgroup of this machine
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BpfObject, isNativeError, openConntrack, openRing } from '../../../collector/native/addon.ts';
import { AddressTable, addressTableOf } from '../../../collector/src/attach/address_table.ts';
import { AttachError } from '../../../collector/src/attach/error.ts';
import { checkHost } from '../../../collector/src/attach/host.ts';
import { attachPrograms } from '../../../collector/src/attach/load.ts';
import { PROGRAMS, SHARED_PROGRAMS } from '../../../collector/src/attach/programs.ts';
import { objectWithReader } from '../../../collector/src/attach/redirect_reader.ts';
import { walk } from '../../../collector/src/attach/walk.ts';
import { tryDataplane } from './dataplane.ts';
import { RecordCounts } from './records.ts';
import { REPORT_MARK, type Report } from './report.ts';
import { EXPECTED, smoke } from './smoke.ts';

/** Addresses that are given to the kernel. */
const ADDRESSES = 1000;
const ENDPOINT = 0xfedc_ba98_7654_3211n;
/** Where init.c has put this process. */
const OWN_CGROUP = '/sys/fs/cgroup/smoke';
/** How long records that are still missing are waited for. */
const PATIENCE_MS = 20_000;

const objectPath = new URL('../../../build/bpf/flowspan.bpf.o', import.meta.url).pathname;

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

function askConntrack(): string {
  try {
    openConntrack().close();
    return '';
  } catch (error) {
    if (!isNativeError(error)) throw error;
    return `${error.code} ${error.errno}`;
  }
}

/** Makes traffic and takes what is written, until all kinds were seen or patience ends. */
async function watchSmoke(object: BpfObject, walk: () => Promise<void>, cgroup: string): Promise<RecordCounts> {
  const counts = new RecordCounts(
    ['records', 'request_records'].map((name) => openRing(object, name)),
    ENDPOINT,
  );
  await walk();
  await smoke(cgroup);
  for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; await sleep(100)) {
    await walk();
    object.testRun('sweep_udp_flows');
    counts.take();
    if (EXPECTED.every((name) => name in counts.records)) break;
  }
  return counts;
}

async function watch(place: string): Promise<Report> {
  const cgroup = place === 'whole' ? OWN_CGROUP : place;
  const { kernel, cgroupRoot } = checkHost(place === 'whole' ? undefined : place);
  const conntrack = askConntrack();
  const empty = {
    kernel,
    error: '',
    log: '',
    programs: [],
    dataplane: [],
    records: {},
    conntrack,
    homeless: 0,
    stamped: 0,
  };
  try {
    const { knobs, mapEntries } = addressTableOf(4 * ADDRESSES);
    const attached = attachPrograms({
      objectPath: objectWithReader(objectPath).objectPath,
      cgroupRoot,
      mapEntries,
      // As beside a data plane, which decides nothing here: its maps are the object's own, and empty.
      knobs: { ...knobs, dataplane_loaded: 1 },
      programs: [...PROGRAMS, ...SHARED_PROGRAMS],
    });
    const { object, iterators } = attached;
    const homeless = fillAddresses(new AddressTable(object));
    const walkAll = async () => {
      for (const link of iterators.values()) await walk(object, link);
    };
    const { records, stamped } = await watchSmoke(object, walkAll, cgroup);
    const costs = new Map(object.programStats().map((stats) => [stats.name, stats.verifiedInstructions]));
    attached.close();
    const programs = attached.programs.map(({ name, attached, reason }) => {
      return { name, attached, reason, verifiedInstructions: costs.get(name) ?? 0 };
    });
    return { ...empty, programs, dataplane: tryDataplane(cgroup), records, homeless, stamped };
  } catch (error) {
    if (!(error instanceof AttachError)) throw error;
    const log = (error.cause as { log?: string } | undefined)?.log ?? '';
    return { ...empty, error: error.message, log: log.split('\n').slice(-20).join('\n') };
  }
}

console.log(REPORT_MARK + JSON.stringify(await watch(process.argv[2] ?? '')));
process.exit(0);
