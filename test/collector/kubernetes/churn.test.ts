/**
 * Pods come, change and go at random, addresses change hands at once, and news is late, cut off to seconds, or missed
 * while the API server is away. Whoever is named for an address at a time must have had it then.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BEGIN_MS, openCluster } from './support/cluster.ts';
import { type PodValues, podObject } from './support/objects.ts';

/** Numbers that are the same in every run with the same seed; from 0 to 1. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Life {
  readonly name: string;
  readonly address: string;
  /** When it had the address. */
  readonly fromMs: number;
  toMs: number;
}

interface News {
  readonly atMs: number;
  readonly deleted: boolean;
  readonly values: PodValues;
}

const ADDRESSES = 12;
const SECONDS = 120;

/** What happens, and what is told of it when. Removed by force: a pod keeps its address for a while unheard of. */
function history(random: () => number): { lives: Life[]; news: News[] } {
  const lives: Life[] = [];
  const news: News[] = [];
  const free = Array.from({ length: ADDRESSES }, (_, index) => ({ address: `10.0.0.${index}`, sinceMs: BEGIN_MS }));
  for (let number = 0; ; number += 1) {
    free.sort((one, other) => one.sinceMs - other.sinceMs);
    const slot = free[Math.floor(random() * 3)]!;
    // The node takes the pod up, gives it an address, starts its container.
    const startedMs = slot.sinceMs - random() * 1500;
    const fromMs = Math.max(slot.sinceMs, startedMs) + random() * 300;
    if (fromMs > BEGIN_MS + SECONDS * 1000) break;
    const runningMs = fromMs + random() * 400;
    const finishes = random() < 0.3;
    const forced = !finishes && random() < 0.2;
    const livedMs = 100 + random() ** 3 * 20_000;
    const deletionMs = runningMs + livedMs;
    const stoppedMs = deletionMs + random() * 1500;
    const removedMs = stoppedMs + random() * 200;
    const uid = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    const base: PodValues = { uid, name: `p${number}`, startedMs };
    const running: PodValues = { ...base, address: slot.address, runningMs };
    const late = () => 5 + random() ** 2 * 800;
    const tell = (atMs: number, values: PodValues, deleted = false) => {
      // One watch tells things in the order in which they happened.
      const before = news.findLast((one) => one.values.uid === uid)?.atMs ?? 0;
      news.push({ atMs: Math.max(atMs, before + 1), deleted, values });
    };
    tell(startedMs + late(), { ...base, phase: 'Pending' });
    if (random() < 0.9) tell(runningMs + late(), running);
    if (finishes) tell(stoppedMs + late(), { ...running, stoppedMs, phase: 'Succeeded' });
    else if (!forced) tell(deletionMs + late(), { ...running, deletionMs });
    if (forced) tell(deletionMs + late(), { ...running, deletionMs }, true);
    // A node deletes a pod once its network is taken down.
    else
      tell(
        removedMs + 2000 * random() + late(),
        { ...running, stoppedMs, deletionMs, ...(finishes ? { phase: 'Succeeded' } : {}) },
        true,
      );
    lives.push({ name: `p${number}`, address: slot.address, fromMs, toMs: stoppedMs });
    slot.sinceMs = removedMs;
  }
  return { lives, news: news.sort((one, other) => one.atMs - other.atMs) };
}

/** The names that may be given for an address at a time: that of whoever had it. */
function owner(lives: readonly Life[], address: string, ms: number): string | undefined {
  return lives.find((life) => life.address === address && life.fromMs <= ms && ms < life.toMs)?.name;
}

async function judge(seed: number, awayS: readonly [from: number, to: number] | undefined) {
  const random = numbers(seed);
  const { lives, news } = history(random);
  const { clock, put, remove, list, at, close } = await openCluster();
  const isAway = (ms: number) =>
    awayS !== undefined && ms >= BEGIN_MS + awayS[0] * 1000 && ms < BEGIN_MS + awayS[1] * 1000;
  const there = new Map<string, PodValues>();
  let wasAway = false;
  for (const { atMs, deleted, values } of news) {
    if (wasAway && !isAway(atMs)) {
      clock.ms = atMs;
      list('pods', [...there.values()].map(podObject));
    }
    wasAway = isAway(atMs);
    if (deleted) there.delete(values.uid);
    else there.set(values.uid, values);
    if (wasAway) continue;
    clock.ms = atMs;
    if (deleted) remove('pods', podObject(values));
    else put('pods', podObject(values));
  }
  const count = { right: 0, unknown: 0, wrong: [] as string[] };
  for (let asked = 0; asked < 4000; asked += 1) {
    const { address, fromMs, toMs } = lives[Math.floor(random() * lives.length)]!;
    const ms = fromMs + random() * (toMs - fromMs);
    const told = at(address, ms);
    const right = owner(lives, address, ms);
    if (told === '?' || told === undefined) count.unknown += 1;
    else if (told === right) count.right += 1;
    else count.wrong.push(`${address} at +${ms - BEGIN_MS}: ${told} instead of ${right}`);
  }
  close();
  return count;
}

it('nobody is named who did not have the address then', async () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const { wrong, right, unknown } = await judge(seed, undefined);
    assert.deepEqual(wrong.slice(0, 3), [], `seed ${seed}`);
    assert.ok(right > unknown, `seed ${seed}: ${right} known, ${unknown} unknown`);
  }
});

it('nor where the API server was away for a while', async () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const { wrong, right } = await judge(seed, [30, 60]);
    assert.deepEqual(wrong.slice(0, 3), [], `seed ${seed}`);
    assert.ok(right > 1000, `seed ${seed}: ${right} known`);
  }
});
