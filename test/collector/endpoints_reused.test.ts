/** Numbers of endpoints are given out again, and nobody is ever taken for who had the number before. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CGROUP_RECORD, FLOW_RECORD } from '../../bpf/wire/events.gen.ts';
import type { Identity, IdentitySource } from '../../collector/src/control/identity.ts';
import { Endpoints } from '../../collector/src/correlate/endpoints.ts';
import { forgetEnded } from '../../collector/src/correlation.ts';
import type { RowSink } from '../../collector/src/pipeline.ts';
import { EPOCH_NS, openPath } from './support/path.ts';
import { connection, record } from './support/records.ts';

const NOT_HERE: IdentitySource = {
  name: 'test',
  start: async () => undefined,
  close: () => undefined,
  ofCgroup: () => undefined,
  ofProcess: () => undefined,
  ofAddress: () => undefined,
};
const FIRST_ID = 1n << 40n;
/** Whom a pod connects to. */
const serverOf = (pod: number) => pod - (pod % 7) - 1;
const pathOf = (pod: number) => `/kubepods/pod${pod}`;

function identityOf(pod: number): Identity {
  const facts = { containerId: '', labels: {}, here: true };
  const name = `pod-${pod}`;
  return {
    ...facts,
    id: FIRST_ID + BigInt(pod),
    kind: 'pod',
    namespace: '',
    workload: name,
    name,
    cgroupPath: pathOf(pod),
  };
}

describe('more endpoints than there are numbers', () => {
  it('each row is of whoever had its addresses, all the time, and no room is missed', () => {
    const source: IdentitySource = {
      ...NOT_HERE,
      ofCgroup: (path) =>
        path.startsWith('/kubepods/') ? identityOf(Number(path.slice(pathOf(0).length - 1))) : undefined,
    };
    const seen = { ends: 0, known: 0, reused: 0 };
    let last = 0;
    const ownerOf = new Map<number, string>();
    /** Looks at each row's ends: by its address each pod is known for ever. */
    const judge: RowSink = {
      wants(_table, at) {
        const { bytes } = path.arena;
        const ends = [
          [FLOW_RECORD.source_address, path.ends.source],
          [FLOW_RECORD.destination_address, path.ends.destination],
        ] as const;
        for (const [offset, number] of ends) {
          // The last three bytes of an address say which pod has it.
          const here = at + offset + 13;
          const pod =
            ((bytes[here] as number) << 16) | ((bytes[here + 1] as number) << 8) | (bytes[here + 2] as number);
          seen.ends += 1;
          if (number === 0) continue;
          seen.known += 1;
          const name = `pod-${pod}`;
          assert.equal(path.endpoints.identity(number)?.name, name);
          const { idLow, idHigh } = path.endpoints;
          assert.equal(
            (BigInt(idHigh[number] as number) << 32n) | BigInt(idLow[number] as number),
            FIRST_ID + BigInt(pod),
          );
          const before = ownerOf.get(number);
          if (before !== undefined && before !== name) seen.reused += 1;
          ownerOf.set(number, name);
        }
        const edge = path.metrics.edges.of(path.ends.source, path.ends.destination);
        const from = path.endpoints.identity(path.ends.source)?.name ?? 'unknown';
        if (edge !== 0) assert.match(path.metrics.edges.identity(edge), new RegExp(`source_workload="${from}"`));
        return false;
      },
      row: () => undefined,
    };
    const path = openPath({ extraSources: [source], sinks: [judge], mostEndpoints: 65_536, keepRows: false });
    const change = {
      created: record('cgroup', { cgroup_change: 'created' }),
      removed: record('cgroup', { cgroup_change: 'removed' }),
    };
    const news = (pod: number, how: keyof typeof change, ms: number): Buffer => {
      const bytes = Buffer.from(change[how]);
      bytes.writeUInt32LE(1000 + pod, CGROUP_RECORD.cgroup_id);
      bytes.writeUInt16LE(pathOf(pod).length, CGROUP_RECORD.path_length);
      bytes.write(pathOf(pod), CGROUP_RECORD.path);
      bytes.writeBigUInt64LE(BigInt(ms) * 1_000_000n, CGROUP_RECORD.time_boot_ns);
      return bytes;
    };
    const points = ['client', 'server', 'unknown'] as const;
    const flows = points.map((observation_point) => record('flow', connection({ observation_point, pid: 0 })));
    /** A connection from one pod to another, by ports that all use, as one of its ends sees it. */
    const flow = (from: number, to: number, point: (typeof points)[number], ms: number): Buffer => {
      const bytes = Buffer.from(flows[points.indexOf(point)] as Buffer);
      const here = 1000 + (point === 'server' ? to : from);
      bytes.writeUIntBE(from, FLOW_RECORD.source_address + 13, 3);
      bytes.writeUIntBE(to, FLOW_RECORD.destination_address + 13, 3);
      bytes.writeUInt32LE(here, FLOW_RECORD.netns);
      bytes.writeUInt32LE(here, FLOW_RECORD.owner_cgroup_id);
      bytes.writeBigUInt64LE(BigInt(ms) * 1_000_000n, FLOW_RECORD.time_boot_ns);
      return bytes;
    };
    const [STAYS, GONE] = [5, 60];
    const PER_SECOND = 56;
    const LIVES = 20 * PER_SECOND;
    const SECONDS = 1500;
    for (let second = 1; second <= SECONDS; second += 1) {
      const ms = second * 1000;
      path.wall.nowNs = EPOCH_NS + BigInt(ms) * 1_000_000n;
      const { records } = path.rings[0];
      for (let more = 0; more < PER_SECOND; more += 1) {
        last += 1;
        records.push(news(last, 'created', ms));
        const server = serverOf(last);
        if (server > 0) records.push(flow(last, server, more % 2 === 0 ? 'client' : 'server', ms));
        const old = last - LIVES;
        if (last === GONE) records.push(flow(STAYS, GONE, 'server', ms));
        if (old > 0 && old !== STAYS) {
          records.push(news(old, 'removed', ms));
          // Its last record comes after its end; others speak of it while servers are remembered, and long after.
          records.push(flow(old, Math.max(1, old - 3), 'client', ms));
        }
        if (more > 0) continue;
        // What comes late: of who is here about who was, of who was here, and of nobody in particular.
        for (const ago of [300, 590, 700, 1000, 1100, 1300]) {
          const past = last - ago * PER_SECOND;
          if (past < 7) continue;
          records.push(flow(last, past, 'client', ms), flow(past, serverOf(past), 'unknown', ms));
          if (ago >= 1100) records.push(flow(past + 1, serverOf(past + 1), 'client', ms));
        }
        // One connection lasts for ever, though its server's pod is long gone.
        if (second % 60 === 2) records.push(flow(STAYS, GONE, 'client', ms));
      }
      path.drain.look();
      path.endpoints.takeChanged();
      forgetEnded(path, ms);
    }
    path.pipeline.finish();
    assert.ok(last > 80_000, `${last}`);
    assert.ok(seen.reused > 10_000, JSON.stringify(seen));
    assert.ok(seen.known > seen.ends / 2, JSON.stringify(seen));
    assert.equal(path.counters.discards.endpoint_table_full ?? 0, 0);
    assert.ok(path.endpoints.count < 65_536);
  });

  it('what is remembered of a connection is forgotten after two minutes, also for records of neither end', () => {
    const processes = { 100: { executable: 'wrk', command: 'wrk', cgroupPaths: ['/'] } };
    const path = openPath({ processes });
    const rowAt = (second: number, observation_point: string) => {
      path.wall.nowNs = EPOCH_NS + BigInt(second) * 1_000_000_000n;
      return path.feed('flows', record('flow', connection({ observation_point })))[0]?.source_endpoint_id ?? null;
    };
    assert.notEqual(rowAt(1, 'client'), null);
    assert.notEqual(rowAt(100, 'unknown'), null);
    assert.equal(rowAt(130, 'unknown'), null);
  });

  it('who ended is remembered for a quarter of an hour after its last use, who lives for ever', () => {
    const endpoints = new Endpoints(3);
    const numbers = [1, 2, 3].map((pod) => endpoints.number(identityOf(pod), 0, 1n));
    assert.deepEqual(numbers, [1, 2, 3]);
    assert.equal(endpoints.number(identityOf(4), 0, 1n), 0, 'no room');
    endpoints.end(identityOf(1).id, 5n);
    endpoints.end(identityOf(2).id, 5n);
    const gone = new Map<number, number>();
    for (let minute = 1; minute <= 60; minute += 1) {
      if (minute <= 20) endpoints.use(2);
      if (minute > 2) endpoints.takeChanged();
      for (const number of endpoints.sweep(minute * 60_000)) gone.set(number, minute);
    }
    assert.deepEqual(
      [...gone],
      [
        [1, 17],
        [2, 36],
      ],
    );
    assert.equal(endpoints.renamed, 2, 'whoever keeps names by number is told');
    assert.equal(endpoints.identity(1), undefined);
    assert.equal(endpoints.numberOf(identityOf(2).id), 0);
    assert.equal(endpoints.identity(3)?.name, 'pod-3');
    assert.equal(endpoints.number(identityOf(4), 0, 9n), 2);
    assert.equal(endpoints.number(identityOf(1), 0, 9n), 1, 'back again, as another interval');
    assert.deepEqual(
      endpoints.takeChanged().map(({ identity, validFromNs }) => [identity.name, validFromNs]),
      [
        ['pod-4', 9n],
        ['pod-1', 9n],
      ],
    );
    assert.equal(endpoints.number(identityOf(5), 0, 9n), 0);
  });

  it('what was not told yet is not given up', () => {
    const endpoints = new Endpoints(3);
    endpoints.number(identityOf(1), 0, 1n);
    endpoints.end(identityOf(1).id, 5n);
    for (let minute = 1; minute <= 60; minute += 1) assert.equal(endpoints.sweep(minute * 60_000).size, 0);
    assert.equal(endpoints.takeChanged()[0]?.validToNs, 5n);
    assert.equal(endpoints.sweep(61 * 60_000).size, 1);
  });
});
