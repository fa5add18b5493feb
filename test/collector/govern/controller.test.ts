/** The governor's decisions, by measurements that a model of a collector brings under an injected clock. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { Controller, type ControllerConfig } from '../../../collector/src/govern/controller.ts';
import { LEVELS, MOST_STEPS, throttleOf } from '../../../collector/src/govern/levels.ts';
import type { CgroupLoad } from '../../../collector/src/govern/noise.ts';
import { type Measurement, pressureOf } from '../../../collector/src/govern/pressure.ts';

const CONFIG: ControllerConfig = { cpu: 0.5, memoryBytes: 1000, noisyShare: 0.5, mostThrottled: 64 };
const EMPTY = { fill: 0, lost: false };
const RINGS = { records: EMPTY, request_records: EMPTY };
const CALM: Measurement = { nowMs: 0, cpu: 0, memoryBytes: 100, memoryGrows: false, rings: RINGS, rowFill: 0 };
/** Ids of cgroups. */
const A = '11';
const B = '22';
const C = '33';

/** What a collector does with so many requests a second: cores for each that is read, and for each row. */
interface Load {
  /** By the server's cgroup. */
  readonly requests: Readonly<Record<string, number>>;
  /** The same seen at the other end, by the client's cgroup. */
  readonly clients?: Readonly<Record<string, number>>;
  readonly readCost?: number;
  readonly rowCost?: number;
  readonly base?: number;
}

/** Runs for some seconds under a load that answers to what was decided; gives the level after each. */
function runs(controller: Controller, clock: { s: number }, seconds: number, load: Load): number[] {
  const { requests, clients = {}, base = 0, readCost = 10e-6, rowCost = 40e-6 } = load;
  const { client, server } = ENUMS.observation_point;
  const ends = [
    ...Object.entries(requests).map(([cgroup, offered]) => ({ cgroup, offered, observationPoint: server })),
    ...Object.entries(clients).map(([cgroup, offered]) => ({ cgroup, offered, observationPoint: client })),
  ];
  return Array.from({ length: seconds }, () => {
    clock.s += 1;
    const loads: CgroupLoad[] = ends.map(({ cgroup, offered, observationPoint }) => {
      const { requestWeight } = throttleOf(controller.throttles.get(BigInt(cgroup)) ?? 0);
      return { cgroup: BigInt(cgroup), kind: 'request', observationPoint, offered, taken: offered / requestWeight };
    });
    const read = loads.reduce((sum, { taken }) => sum + taken, 0);
    const rows = read / LEVELS[controller.level]!.requestWeight;
    controller.measured({ ...CALM, nowMs: clock.s * 1000, cpu: base + read * readCost + rows * rowCost }, loads);
    return controller.level;
  });
}

const changes = (levels: readonly number[]) => levels.filter((level, at) => at > 0 && level !== levels[at - 1]).length;

test('within the budget all detail stays', () => {
  const controller = new Controller(CONFIG);
  assert.deepEqual(new Set(runs(controller, { s: 0 }, 120, { requests: { [A]: 9000 } })), new Set([0]));
});

test('over the budget it sheds within seconds, stays within, and comes back by itself', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  const levels = runs(controller, clock, 10, { requests: { [A]: 20_000 } });
  assert.ok(levels[0]! > 0, 'with the first measurement');
  assert.ok(controller.pressure.value <= 1, `pressure ${controller.pressure.value}`);
  const after = runs(controller, clock, 60, { requests: { [A]: 100 } });
  assert.equal(after.at(-1), 0);
  assert.ok(after.indexOf(0) <= 15, `all detail again after ${after.indexOf(0)} s`);
});

test('a constant load meets a level that stays, save for tries ever rarer', () => {
  for (const requests of [11_000, 15_000, 20_000, 30_000, 45_000, 80_000]) {
    for (const [readCost, rowCost, base] of [
      [10e-6, 40e-6, 0],
      [2e-6, 48e-6, 0.1],
      [1e-6, 30e-6, 0.35],
      [5e-6, 5e-6, 0.4],
    ] as const) {
      const controller = new Controller(CONFIG);
      const clock = { s: 0 };
      const load = { requests: { [A]: requests }, readCost, rowCost, base };
      runs(controller, clock, 60, load);
      const early = changes(runs(controller, clock, 600, load));
      const late = changes(runs(controller, clock, 1800, load));
      const what = `${requests} requests/s at ${readCost}, ${rowCost}, ${base}`;
      assert.ok(early <= 30, `${what}: ${early} changes in ten minutes`);
      assert.ok(late <= 24, `${what}: ${late} changes in half an hour`);
    }
  }
});

test('a load that comes and goes does not make the level flutter', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  const levels: number[] = [];
  for (let turn = 0; turn < 60; turn += 1) {
    levels.push(...runs(controller, clock, 10, { requests: { [A]: 30_000 } }));
    levels.push(...runs(controller, clock, 10, { requests: { [A]: 100 } }));
  }
  assert.ok(changes(levels.slice(-600)) <= 12, `${changes(levels.slice(-600))} changes in the last ten minutes`);
});

test('under lasting pressure the order of levels is the stated one', () => {
  const controller = new Controller({ ...CONFIG, noisyShare: 1 });
  const seen: number[] = [];
  for (let second = 1; second < 40; second += 1) {
    controller.measured({ ...CALM, nowMs: second * 1000, cpu: 0.6 }, [
      { cgroup: 11n, kind: 'request', observationPoint: 2, taken: 2000, offered: 2000 },
    ]);
    seen.push(controller.level);
  }
  assert.deepEqual(
    seen.slice(0, LEVELS.length),
    LEVELS.map((_, level) => Math.min(level + 1, LEVELS.length - 1)),
  );
  const of = (field: 'requestWeight' | 'troubleWeight' | 'flowIntervals') => LEVELS.map((level) => level[field]);
  assert.deepEqual(of('requestWeight'), [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64]);
  assert.deepEqual(of('troubleWeight'), [1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 64]);
  assert.deepEqual(of('flowIntervals'), [1, 1, 1, 1, 1, 1, 1, 1, 6, 6, 6]);
  assert.equal(
    LEVELS.findIndex(({ eventsAsCounts }) => eventsAsCounts),
    7,
  );
});

test('where there is next to nothing to shed, nothing is', () => {
  const controller = new Controller(CONFIG);
  const levels = runs(controller, { s: 0 }, 30, { requests: { [A]: 20 }, base: 2 });
  assert.deepEqual(new Set(levels), new Set([0]));
});

test('where there is next to nothing left to shed, detail comes back whatever is scarce', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  runs(controller, clock, 20, { requests: { [A]: 20_000 }, base: 1 });
  assert.ok(controller.level > 0);
  assert.equal(runs(controller, clock, 20, { requests: { [A]: 20 }, base: 1 }).at(-1), 0);
  runs(controller, clock, 20, { requests: { [A]: 20_000, [B]: 50 }, base: 1 });
  assert.deepEqual([controller.level, [...controller.throttles.keys()]], [0, [11n]]);
  runs(controller, clock, 30, { requests: { [A]: 20, [B]: 50 }, base: 1 });
  assert.equal(controller.throttles.size, 0);
});

test('packets of nobody make nobody noisy', () => {
  const controller = new Controller(CONFIG);
  runs(controller, { s: 0 }, 5, { requests: { [A]: 40_000, 0: 500 } });
  assert.equal(controller.throttles.size, 0);
  assert.ok(controller.level > 0);
});

test('each resource is a reason; memory only while more of it is taken', () => {
  const reason = (more: Partial<Measurement>) => {
    const { value, of } = pressureOf({ ...CALM, ...more }, CONFIG);
    return value > 1 ? of : undefined;
  };
  assert.equal(reason({ cpu: 0.6 }), 'cpu');
  assert.equal(reason({ memoryBytes: 1100, memoryGrows: true }), 'memory');
  assert.equal(reason({ memoryBytes: 1100, rowFill: 0.3 }), 'memory');
  assert.equal(reason({ memoryBytes: 1100 }), undefined);
  assert.equal(reason({ rings: { ...RINGS, request_records: { fill: 0.6, lost: false } } }), 'requests_ring');
  assert.equal(reason({ rings: { ...RINGS, request_records: { fill: 0.1, lost: true } } }), 'requests_ring');
  assert.equal(reason({ rings: { ...RINGS, records: { fill: 1, lost: true } } }), undefined);
  assert.equal(reason({ rowFill: 0.6 }), 'rows');
  assert.equal(reason({}), undefined);
  assert.equal(pressureOf({ ...CALM, memoryBytes: 950, memoryGrows: true }, CONFIG).value, 0);
});

test('one noisy cgroup is throttled alone, and let go when it is quiet', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  const levels = runs(controller, clock, 30, { requests: { [A]: 40_000, [B]: 1000 } });
  assert.deepEqual(new Set(levels), new Set([0]), 'nobody else pays');
  assert.deepEqual([...controller.throttles.keys()], [11n]);
  assert.ok(controller.throttles.get(11n)! <= MOST_STEPS);
  assert.ok(controller.pressure.value <= 1);
  runs(controller, clock, 60, { requests: { [A]: 100, [B]: 1000 } });
  assert.equal(controller.throttles.size, 0);
});

test('a noisy pair whose both ends are here is throttled at both', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  const pair = { requests: { [A]: 20_000, [C]: 100 }, clients: { [B]: 20_000 } };
  assert.deepEqual(new Set(runs(controller, clock, 60, pair)), new Set([0]), 'nobody else pays');
  assert.deepEqual([...controller.throttles.keys()].sort(), [11n, 22n]);
  assert.ok(controller.pressure.value <= 1);
  runs(controller, clock, 60, { requests: { [A]: 100, [C]: 100 }, clients: { [B]: 100 } });
  assert.equal(controller.throttles.size, 0);
});

test('a pair that has no neighbour is sampled; one end of a pair far away does not hide the noise', () => {
  const alone = new Controller(CONFIG);
  runs(alone, { s: 0 }, 30, { requests: { [A]: 20_000 }, clients: { [B]: 20_000 } });
  assert.deepEqual([alone.level > 0, alone.throttles.size], [true, 0]);
  const client = new Controller(CONFIG);
  const levels = runs(client, { s: 0 }, 30, { requests: { [A]: 100 }, clients: { [B]: 40_000 } });
  assert.deepEqual([new Set(levels), [...client.throttles.keys()]], [new Set([0]), [22n]]);
});

test('a neighbour that brings something only now and then does not pay', () => {
  for (const every of [2, 5, 50]) {
    const controller = new Controller(CONFIG);
    const clock = { s: 0 };
    for (let turn = 0; turn < 6; turn += 1) {
      const levels = [
        ...runs(controller, clock, 1, { requests: { [A]: 20, [B]: 2 } }),
        ...runs(controller, clock, every, { requests: { [A]: 40_000 } }),
      ];
      assert.deepEqual(new Set(levels), new Set([0]), `every ${every} s`);
    }
    assert.deepEqual([...controller.throttles.keys()], [11n]);
  }
});

test('a neighbour that brought nothing for more than a minute is none', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  runs(controller, clock, 1, { requests: { [A]: 20, [B]: 2 } });
  runs(controller, clock, 61, { requests: { [A]: 20 } });
  runs(controller, clock, 10, { requests: { [A]: 40_000 } });
  assert.deepEqual([controller.level > 0, controller.throttles.size], [true, 0]);
});

test('noise that moves to another cgroup moves the throttle', () => {
  const controller = new Controller(CONFIG);
  const clock = { s: 0 };
  runs(controller, clock, 30, { requests: { [A]: 40_000, [B]: 1000 } });
  runs(controller, clock, 60, { requests: { [A]: 1000, [B]: 40_000 } });
  assert.deepEqual([...controller.throttles.keys()], [22n]);
});

test('where nobody else brings anything, or nobody stands out, all are sampled', () => {
  for (const requests of [{ [A]: 40_000 }, { [A]: 20_000, [B]: 20_000 }]) {
    const controller = new Controller(CONFIG);
    runs(controller, { s: 0 }, 30, { requests });
    assert.ok(controller.level > 0);
    assert.equal(controller.throttles.size, 0);
  }
});

test('no more cgroups are throttled than the kernel has room for', () => {
  const controller = new Controller({ ...CONFIG, mostThrottled: 0 });
  runs(controller, { s: 0 }, 5, { requests: { [A]: 40_000, [B]: 1000 } });
  assert.equal(controller.throttles.size, 0);
  assert.ok(controller.level > 0);
});
