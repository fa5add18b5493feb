/** Maps that one run leaves to the next: taken up, replaced, removed, or impossible, and never in the way of a start. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openObject } from '../../collector/native/addon.ts';
import { KeptMaps, removeKeptMaps } from '../../collector/src/attach/kept_maps.ts';
import { attachPrograms } from '../../collector/src/attach/load.ts';
import { PROGRAMS } from '../../collector/src/attach/programs.ts';
import { newSegmentName } from '../../collector/src/deliver/segment.ts';
import { SegmentFile } from '../../collector/src/deliver/segment_file.ts';
import { newestFlowInFiles } from '../../collector/src/flows_in_files.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { FLOWS } from '../../store/tables.ts';
import { whyNot } from '../support/flowspan.ts';

const objectPath = new URL('../../build/bpf/flowspan.bpf.o', import.meta.url).pathname;
/** What resumes, and one that writes. */
const programs = PROGRAMS.filter(({ name, resumes }) => resumes || name === 'sweep_udp_flows');

/** Wall clock less boot clock. */
const OFFSET = 1_700_000_000_000_000_000n;

describe('maps that are kept', { skip: whyNot() ?? false }, () => {
  let cgroup: Cgroup;
  const dataDir = temporaryFolder();
  const pinDir = pinDirectory();

  before(() => {
    cgroup = createCgroup();
  });
  after(() => cgroup.remove());

  /** One run with maps kept in a directory. */
  async function run(directory: string, use: (kept: KeptMaps) => void = () => {}) {
    const kept = new KeptMaps(directory, dataDir, await newestFlowInFiles(dataDir));
    const attached = attachPrograms({ objectPath, cgroupRoot: cgroup.path, programs, kept });
    try {
      assert.deepEqual(
        attached.programs.filter((program) => !program.attached),
        [],
      );
      const map = attached.object.map('rows_in_files');
      const found = map.lookup(Buffer.alloc(4))?.readBigUInt64LE();
      use(kept);
      return { state: kept.state, reason: kept.reason, found };
    } finally {
      attached.close();
    }
  }
  const layouts = () => readdirSync(join(pinDir, readdirSync(pinDir)[0] as string));

  test('what a run writes is there in the next', async () => {
    assert.deepEqual(await run(pinDir, (kept) => kept.setInFiles(1234n, OFFSET)), {
      state: 'new',
      reason: '',
      found: 0n,
    });
    assert.deepEqual(await run(pinDir), { state: 'resumed', reason: '', found: 1234n });
  });

  test('rows that were written before they were told count as in a file', async () => {
    const told = 1_000_000n;
    const directory = join(dataDir, 'spool', FLOWS.name);
    const file = new SegmentFile(directory, newSegmentName(Date.now()), Date.now());
    const append = (...bootNs: bigint[]) => {
      const rows = bootNs.map((time) => encodeRow(FLOWS, { time: OFFSET + time }));
      return file.append([{ bytes: Buffer.concat(rows), rows: rows.length }], Date.now());
    };
    await run(pinDir, (kept) => kept.setInFiles(told, OFFSET));
    await append(told - 10n);
    assert.equal((await run(pinDir)).found, told, 'what is older changes nothing');
    await append(told + 1n, told + 70n, told + 60n);
    assert.equal((await run(pinDir)).found, told + 70n);
    assert.equal((await run(pinDir)).found, told + 70n, 'and again');
    await append(told + 900n);
    await file.seal(FLOWS.name);
    await file.close();
    assert.equal((await run(pinDir)).found, told + 70n, 'rows of a whole file were told');
  });

  test('maps of another layout, or not all of them, are removed, and a start begins anew', async () => {
    const own = join(pinDir, readdirSync(pinDir)[0] as string);
    const [layout = ''] = layouts();
    renameSync(join(own, layout), join(own, 'another'));
    assert.deepEqual(await run(pinDir), { state: 'replaced', reason: '', found: 0n });
    assert.deepEqual(layouts(), [layout]);
    renameSync(join(own, layout, 'sockets'), join(own, 'sockets-elsewhere'));
    mkdirSync(join(own, 'empty'));
    renameSync(join(own, 'sockets-elsewhere'), join(own, 'empty', 'sockets'));
    assert.deepEqual(await run(pinDir), { state: 'replaced', reason: '', found: 0n });
    assert.deepEqual(layouts(), [layout]);
    assert.equal(readdirSync(join(own, layout)).length, 3);
  });

  test('they can be removed for good', () => {
    assert.equal(removeKeptMaps(pinDir, dataDir), 1);
    assert.deepEqual(readdirSync(pinDir), []);
    assert.equal(removeKeptMaps(pinDir, dataDir), 0);
  });

  test('where none can be kept the programs run all the same, and it is said why', async () => {
    const folder = join(temporaryFolder(), 'not-bpf');
    const { state, reason } = await run(folder, (kept) => kept.setInFiles(1n, OFFSET));
    assert.equal(state, 'impossible');
    assert.match(reason, /cannot keep map .* BPF filesystem/);
    assert.equal(
      readdirSync(folder, { recursive: true }).length,
      1,
      'nothing is left but the directory of the collector',
    );
    assert.equal((await run('/proc/flowspan')).state, 'impossible');
  });

  test('a layout is told by its text', () => {
    const object = openObject(objectPath);
    const text = object.mapLayout('sockets');
    object.close();
    assert.match(text, /^type 24, flags 1, 0 entries, keys of 4 bytes, values of \d+\n/);
    assert.match(text, /struct socket_state \{\n\t\w+ opened_ns;\n/);
  });
});
