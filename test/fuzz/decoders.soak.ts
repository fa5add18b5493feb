/** The wire decoder and the spool's reader over many more inputs, from another seed each time. */
import { test } from 'node:test';
import { randomOf } from '../bpf/http/exchange.ts';
import { readFromDisk, readInMemory } from './spool-reader.ts';
import { corpus } from './support/corpus.ts';
import { mutated } from './support/mutate.ts';
import { WireDecoder } from './wire-decoder.ts';

const MINUTES = Number(process.env.FLOWSPAN_FUZZ_MINUTES ?? 5);
const SEED = Number(process.env.FLOWSPAN_FUZZ_SEED ?? Date.now() % 2 ** 31);
const options = { timeout: (MINUTES + 5) * 60_000 };

/** Tries inputs made from a corpus until the time is over. */
async function forMinutes(
  target: string,
  attempt: (bytes: Buffer, index: number) => Promise<void> | void,
): Promise<number> {
  const inputs = corpus(target).map(({ bytes }) => bytes);
  const end = performance.now() + MINUTES * 60_000;
  let index = 0;
  for (; performance.now() < end; index += 1) {
    const bytes = mutated(randomOf(SEED + index), inputs);
    try {
      await attempt(bytes, index);
    } catch (error) {
      throw new Error(`input ${index} of FLOWSPAN_FUZZ_SEED=${SEED}: ${bytes.toString('base64')}`, { cause: error });
    }
  }
  return index;
}

test(`records of any bytes, for ${MINUTES} minutes`, options, async (t) => {
  const decoder = new WireDecoder();
  t.diagnostic(`${await forMinutes('wire', (bytes) => decoder.decode(bytes))} inputs`);
});

test(`spool files of any bytes, for ${MINUTES} minutes`, options, async (t) => {
  const read = async (bytes: Buffer, index: number) => {
    if (index % 100 === 0) await readFromDisk(bytes);
    else await readInMemory(bytes);
  };
  t.diagnostic(`${await forMinutes('spool', read)} inputs`);
});
