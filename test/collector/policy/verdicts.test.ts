/** Rows of verdicts: each counted once, whatever is killed when. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { POLICY_RECORD_KEY as K, POLICY_RECORD_COUNT as R } from '../../../bpf/dataplane/policy.gen.ts';
import type { BpfMap } from '../../../collector/native/addon.ts';
import { type VerdictRowParts, VerdictRows } from '../../../collector/src/control/policy/verdict_rows.ts';
import { VerdictTeller } from '../../../collector/src/control/policy/verdicts.ts';

const DENIED = 2;
const SECOND = 1_000_000_000n;

/** As much of a map as is used here. */
class PlayedMap {
  readonly held = new Map<string, Buffer>();
  entries() {
    const keys = Buffer.concat(Array.from(this.held.keys(), (key) => Buffer.from(key, 'latin1')));
    return { keys, values: Buffer.concat([...this.held.values()]), count: this.held.size };
  }
  take(key: Buffer): Buffer | null {
    const value = this.held.get(key.toString('latin1')) ?? null;
    this.held.delete(key.toString('latin1'));
    return value;
  }
  delete(key: Buffer): boolean {
    return this.held.delete(key.toString('latin1'));
  }
  updateBatch(keys: Buffer, values: Buffer): number {
    const count = keys.length / K.size;
    const size = values.length / count;
    for (let index = 0; index < count; index += 1) {
      const key = keys.subarray(index * K.size, (index + 1) * K.size);
      this.held.set(key.toString('latin1'), Buffer.from(values.subarray(index * size, (index + 1) * size)));
    }
    return count;
  }
}

/** The kernel's maps, which live on, and what a collector made of them. */
class Played {
  readonly maps = { policy_records: new PlayedMap(), policy_records_told: new PlayedMap() };
  lost = 0;
  rows: { readonly time: bigint; readonly verdict_id: bigint; readonly count: bigint }[] = [];
  takes = true;

  /** So many more verdicts on a port. */
  count(port: number, count: bigint, lastNs: bigint): void {
    const key = Buffer.alloc(K.size);
    key.writeUInt16LE(port, K.port);
    key.writeUInt8(DENIED, K.policy_verdict);
    const text = key.toString('latin1');
    const value = this.maps.policy_records.held.get(text) ?? Buffer.alloc(R.size);
    value.writeBigUInt64LE(value.readBigUInt64LE(R.count) + count, R.count);
    value.writeBigUInt64LE(lastNs, R.last_ns);
    if (value.readBigUInt64LE(R.first_ns) === 0n) value.writeBigUInt64LE(lastNs, R.first_ns);
    this.maps.policy_records.held.set(text, value);
  }

  /** A collector that begins. @param inFiles rows that the one before had in files */
  collector(inFiles: readonly Played['rows'][number][] = []): VerdictTeller {
    const lost = { entries: () => ({ keys: Buffer.alloc(4), values: Buffer.alloc(8), count: 1 }) };
    const maps = { ...this.maps, policy_records_lost: lost } as unknown as Record<string, BpfMap>;
    const names = { decision: () => undefined, person: () => undefined };
    const parts = { names, workloadOf: () => '', modeOf: () => 'enforce' as const } satisfies Partial<VerdictRowParts>;
    const rows = new VerdictRows({ ...parts, allowed: () => ({ queryNames: new Set(), pathSegments: new Set() }) });
    return new VerdictTeller({ map: (name) => maps[name] as BpfMap }, rows, {
      wallNs: (ns) => ns,
      add: (row) => {
        if (this.takes) this.rows.push(row as unknown as Played['rows'][number]);
        return this.takes;
      },
      lost: (count) => {
        this.lost += count;
      },
      inFiles: new Set(inFiles.map(({ time, verdict_id }) => `${time}/${verdict_id}`)),
    });
  }

  get told(): bigint {
    return this.rows.reduce((sum, { count }) => sum + count, 0n);
  }
}

describe('rows of verdicts', () => {
  let played: Played;
  beforeEach(() => {
    played = new Played();
  });

  it('tell what is new, and nothing twice', () => {
    const teller = played.collector();
    played.count(80, 5n, SECOND);
    teller.tell(SECOND);
    teller.left(1);
    teller.tell(2n * SECOND);
    played.count(80, 2n, 3n * SECOND);
    teller.tell(3n * SECOND);
    teller.left(1);
    assert.deepEqual(
      played.rows.map(({ count }) => count),
      [5n, 2n],
    );
  });

  it('wait for the row before to be in a file', () => {
    const teller = played.collector();
    played.count(80, 1n, SECOND);
    teller.tell(SECOND);
    played.count(80, 1n, 2n * SECOND);
    teller.tell(2n * SECOND);
    assert.equal(played.told, 1n);
    teller.left(1);
    teller.tell(3n * SECOND);
    assert.equal(played.told, 2n);
  });

  for (const isInFile of [true, false])
    it(`go on after a crash where the last row was ${isInFile ? '' : 'not '}in a file`, () => {
      const killed = played.collector();
      played.count(80, 5n, SECOND);
      killed.tell(SECOND);
      const kept = isInFile ? [...played.rows] : [];
      played.rows = [...kept];
      played.count(80, 3n, 2n * SECOND);
      const next = played.collector(kept);
      next.tell(2n * SECOND);
      assert.equal(played.told, 8n);
      assert.equal(played.lost, 0);
    });

  it('are forgotten when nothing like them comes for a minute, and begin anew', () => {
    const teller = played.collector();
    played.count(80, 5n, SECOND);
    teller.tell(SECOND);
    teller.left(1);
    teller.tell(100n * SECOND);
    assert.deepEqual([played.maps.policy_records.held.size, played.maps.policy_records_told.held.size], [0, 0]);
    played.count(80, 4n, 101n * SECOND);
    teller.tell(101n * SECOND);
    assert.equal(played.told, 9n);
  });

  it('are not taken for those of an entry that was there before', () => {
    const killed = played.collector();
    played.count(80, 5n, SECOND);
    killed.tell(SECOND);
    killed.left(1);
    played.maps.policy_records.held.clear();
    played.count(80, 4n, 2n * SECOND);
    played.collector().tell(2n * SECOND);
    assert.equal(played.told, 9n);
  });

  it('for which there is no memory are counted as lost', () => {
    const teller = played.collector();
    played.takes = false;
    played.count(80, 5n, SECOND);
    teller.tell(SECOND);
    assert.equal(played.lost, 5);
    played.takes = true;
    played.count(80, 1n, 2n * SECOND);
    teller.tell(2n * SECOND);
    assert.equal(played.told, 1n);
  });
});
