/** What is remembered of a connection's ends is what would be told if everything were asked again with each record. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster, openNamed, pod, process, Tracked } from './support/named_ends.ts';
import type { Row } from './support/path.ts';
import { connection, record, requestRecord, type Values } from './support/records.ts';

const EPOCH_NS = 1_700_000_000_000_000_000n;
const PROCESSES = { 100: process('wrk'), 200: process('nginx'), 300: process('redis'), 400: process('envoy') };
const CGROUPS = { 10: '/system.slice/a.service', 11: '/system.slice/b.service' };

/** The same numbers at every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 8) / 2 ** 24) * below);
  };
}

function open({ remembers }: { remembers: boolean }) {
  const [cluster, tracked] = [new Cluster(), new Tracked()];
  const conntrack = { find: tracked.find, findOriginal: tracked.findOriginal, close: () => undefined };
  const path = openNamed({
    ...{ processes: PROCESSES, cgroups: CGROUPS, extraSources: [cluster], conntrack },
    nodeAddresses: [Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 9])],
  });
  let changes = 0;
  // As if something were learned between any two records.
  if (!remembers) Object.defineProperty(path.endpoints, 'changes', { get: () => (changes += 1), set: () => undefined });
  const { localEnd } = path;
  const of = localEnd.of.bind(localEnd);
  const told = { ...path, cluster, tracked, asked: 0 };
  localEnd.of = (at, isFlow) => {
    told.asked += 1;
    return of(at, isFlow);
  };
  return told;
}

type Path = ReturnType<typeof open>;

interface Opened {
  readonly ends: Values;
  readonly beganNs: bigint;
}

/** One of a few connections, whose addresses, sockets and owners are used again by others. */
function randomConnection(random: (below: number) => number, index: number): Values {
  const one = index >> 1;
  const isServer = (index & 1) === 1;
  const again = random(12) === 0 ? 1 : 0;
  // Behind a service both ends have the sequence numbers in common, but not the addresses.
  const isTranslated = one === 3;
  return connection({
    socket_cookie: 10 + one * 4 + (isServer ? 2 : 0) + again,
    generation: random(30) === 0 ? 1 : 0,
    observation_point: isServer ? 'server' : 'client',
    source_address: random(40) === 0 ? '10.0.0.9' : '10.0.0.1',
    destination_address: isTranslated && !isServer ? '10.9.0.1' : one === 2 ? '127.0.0.1' : `10.0.0.${2 + (one & 1)}`,
    source_port: 40_000 + one,
    netns: 4026531840 + (random(25) === 0 ? 1 : 0),
    owner_cgroup_id: random(20) === 0 ? 10 + random(3) : 1,
    pid: random(15) === 0 ? [0, 300, 400, 999][random(4)]! : isServer ? 200 : 100,
    source_sequence_begin: random(10) === 0 ? 0 : 1000 + one + again * 100,
    destination_sequence_begin: 2000 + one + again * 100,
    protocol: random(20) === 0 ? 17 : 6,
  });
}

function randomRecord(random: (below: number) => number, open: readonly Opened[], timeNs: bigint): Buffer {
  const { beganNs, ends } = open[random(open.length)] as Opened;
  const values = { ...ends, time_boot_ns: timeNs };
  const kind = random(10);
  const age = { connection_age_ns: timeNs - beganNs };
  if (kind < 2) return record('flow', { ...values, ...age, flow_state: ['opened', 'active', 'closed'][random(3)]! });
  if (kind < 4) return record('tcp_event', { ...values, ...age, event_kind: 'retransmit' });
  if (kind === 4 && random(8) === 0) {
    const path = `/system.slice/${'abc'[random(3)]}.service`;
    const what = { cgroup_id: 10 + random(3), cgroup_change: random(2) === 0 ? 'created' : 'removed' };
    return record('cgroup', { time_boot_ns: timeNs, ...what, path, path_length: path.length });
  }
  return requestRecord({}, values);
}

/** What a user, the cluster or time does between two looks. */
function randomNews(random: (below: number) => number, paths: readonly Path[], nowMs: number): void {
  const choice = random(60);
  const service = { namespace: 'shop', name: `s${random(2)}`, port: 80 };
  const holder = { address: `10.0.0.${1 + random(3)}`, identity: pod(BigInt(1 + random(3)), `w${random(3)}`) };
  for (const { cluster, ends, bothEnds, endpoints, tracked } of paths) {
    assert(ends !== undefined);
    if (choice === 0) cluster.holders = [...cluster.holders.slice(-4), { ...holder, fromMs: nowMs - 5000 }];
    else if (choice === 1) cluster.holders = [];
    else if (choice === 2) cluster.doubtful = [holder.address];
    else if (choice === 3) cluster.doubtful = [];
    else if (choice === 4) cluster.services = [{ address: '10.9.0.1', port: 80, service }];
    else if (choice === 5) tracked.backends.set('10.9.0.1:80', { address: '10.0.0.3', port: 80 });
    else if (choice === 6) tracked.backends.delete('10.9.0.1:80');
    else if (choice === 7) endpoints.end(holder.identity.id, BigInt(nowMs) * 1_000_000n);
    else if (choice === 8) endpoints.refresh(holder.identity, BigInt(nowMs) * 1_000_000n);
    else if (choice === 9) bothEnds.forget();
    else if (choice === 10) bothEnds.noteListener(6, new Uint8Array(16), 80, 4026531840, 1);
  }
}

test('whatever happens, what is remembered is what would be told if it were asked again', () => {
  for (let seed = 1; seed <= 6; seed += 1) {
    const random = randomOf(seed);
    const paths = [open({ remembers: true }), open({ remembers: false })] as const;
    let sinceNs = 500_000_000_000n;
    const one = (index: number): Opened => ({
      ends: randomConnection(random, index),
      beganNs: sinceNs - 1n - BigInt(random(3)) * 40_000_000_000n,
    });
    const opened = Array.from({ length: 8 }, (_, index) => one(index));
    for (let look = 0; look < 250; look += 1) {
      sinceNs += BigInt(random(40) === 0 ? random(90_000) : random(80)) * 1_000_000n;
      randomNews(random, paths, Number((EPOCH_NS + sinceNs) / 1_000_000n));
      const other = random(24);
      if (other < opened.length) opened[other] = one(other);
      const records = Array.from({ length: 1 + random(12) }, () => randomRecord(random, opened, sinceNs));
      const told = paths.map((path): Row[] => {
        path.wall.nowNs = EPOCH_NS + sinceNs;
        const first = path.feed('requests', ...records.map((one) => Buffer.from(one)));
        const others = [...(path.out.get('flows') ?? []), ...(path.out.get('tcp_events') ?? [])];
        path.out.clear();
        return [...first, ...others];
      });
      assert.deepEqual(told[0], told[1], `seed ${seed}, look ${look}`);
    }
    const [remembering, asking] = paths;
    assert.ok(remembering.asked < 0.8 * asking.asked, `asked ${remembering.asked} of ${asking.asked} times`);
  }
});
