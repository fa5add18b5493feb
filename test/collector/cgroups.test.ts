/** Paths of cgroups are remembered for as long as records of them may come, and not for ever. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { Cgroups } from '../../collector/src/correlate/cgroups.ts';

const mount = mkdtempSync(join(tmpdir(), 'cgroups-'));
after(() => rmSync(mount, { recursive: true }));
const MINUTE_NS = 60_000_000_000n;
/** Inode numbers of the files are below. */
const FIRST_ID = 2 ** 40;

it('what is gone is known for minutes, and forgotten after that though nothing is looked for', () => {
  const cgroups = new Cgroups(mount);
  const pods = 30;
  for (let minute = 0; minute < 120; minute += 1) {
    for (let pod = 0; pod < pods; pod += 1) {
      const id = FIRST_ID + minute * pods + pod;
      cgroups.add(id, `/kubepods/pod${id}`, BigInt(minute) * MINUTE_NS);
      cgroups.end(id, BigInt(minute) * MINUTE_NS + 1n);
      assert.deepEqual(
        [cgroups.known(id), cgroups.endedNs(id)],
        [`/kubepods/pod${id}`, BigInt(minute) * MINUTE_NS + 1n],
      );
    }
  }
  const fiveAgo = FIRST_ID + 115 * pods;
  assert.equal(cgroups.pathOf(fiveAgo, 0), `/kubepods/pod${fiveAgo}`);
  assert.ok(cgroups.count <= 20 * pods, `${cgroups.count} are remembered`);
  assert.deepEqual(
    [cgroups.known(FIRST_ID), cgroups.begunNs(FIRST_ID), cgroups.endedNs(FIRST_ID)],
    Array(3).fill(undefined),
  );
  for (let id = FIRST_ID * 2; id < FIRST_ID * 2 + 60_000; id += 1) {
    cgroups.add(id, '/x', 200n * MINUTE_NS);
    cgroups.end(id, 200n * MINUTE_NS);
  }
  assert.ok(cgroups.count < 30_000, `${cgroups.count} of one moment are remembered`);
});

it('where ends were missed, those that are there are the last to be forgotten', () => {
  const cgroups = new Cgroups(mount);
  mkdirSync(join(mount, 'there'));
  const there = Number(statSync(join(mount, 'there'), { bigint: true }).ino);
  cgroups.add(there, '/there', 7n);
  for (let id = FIRST_ID; id < FIRST_ID + 99_999; id += 1) cgroups.add(id, '/gone', 8n);
  cgroups.walk(0);
  for (let id = FIRST_ID * 2; id < FIRST_ID * 2 + 50_000; id += 1) cgroups.add(id, '/gone', 9n);
  assert.deepEqual([cgroups.known(there), cgroups.begunNs(there)], ['/there', 7n]);
  assert.equal(cgroups.known(FIRST_ID), undefined);
  assert.ok(cgroups.count <= 100_000, `${cgroups.count} are remembered`);
});
