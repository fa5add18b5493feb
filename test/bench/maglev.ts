/**
 * Maglev tables of 65,537 entries for 1,000 backends: how even they are, how much of the others' moves when one backend
 * leaves, and how long one takes to build. ROUNDS by environment; each round names its backends otherwise.
 */
import {
  MAGLEV_LARGE_SIZE,
  type MaglevBackend,
  maglevTable,
  movedShare,
} from '../../collector/src/control/services/maglev.ts';
import { printResult, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 30);
const BACKENDS = 1000;
const SIZE = MAGLEV_LARGE_SIZE;

const backendsOf = (round: number): MaglevBackend[] =>
  Array.from({ length: BACKENDS }, (_, at) => ({ name: `10.${round}.${at >> 8}.${at & 255}:8080`, weight: 1 }));

function fullest(table: Uint32Array): number {
  const counts = new Uint32Array(BACKENDS);
  for (const index of table) counts[index]! += 1;
  return counts.reduce((most, each) => Math.max(most, each), 0);
}

/** The same where a hash is divided by the number of backends. */
function byRemainder(): number {
  const tableOf = (count: number) => Uint32Array.from({ length: SIZE }, (_, entry) => entry % count);
  const backends = backendsOf(0);
  const remaining = backends.toSpliced(331, 1);
  return movedShare({ backends, table: tableOf(BACKENDS) }, { backends: remaining, table: tableOf(BACKENDS - 1) });
}

// The first builds are the interpreter's.
for (let round = 0; round < 5; round += 1) maglevTable(backendsOf(255), SIZE);

const times: number[] = [];
const balances: number[] = [];
const disruptions: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const backends = backendsOf(round);
  const began = performance.now();
  const table = maglevTable(backends, SIZE);
  times.push(performance.now() - began);
  balances.push((fullest(table) / SIZE) * BACKENDS);
  const remaining = backends.toSpliced((round * 331) % BACKENDS, 1);
  disruptions.push(100 * movedShare({ backends, table }, { backends: remaining, table: maglevTable(remaining, SIZE) }));
}

const best = Math.ceil(SIZE / BACKENDS) / (SIZE / BACKENDS);
printResult(
  resultOf('maglev-balance', balances, {
    ...{ unit: 'fullest ÷ mean', goal: 1.01, better: 'lower' },
    limit: `${best.toFixed(4)} (whole entries)`,
  }),
);
printResult(
  resultOf('maglev-disruption', disruptions, {
    ...{ unit: '% of entries', goal: 1, better: 'lower' },
    limit: '0 (the entries of who left are not counted)',
    peer: { name: 'hash modulo backends', value: 100 * byRemainder() },
  }),
);
printResult(resultOf('maglev', times, { unit: 'ms/table', goal: 20, better: 'lower' }));
