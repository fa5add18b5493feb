/** The spool's reader over the corpus and over inputs made from it. */
import { test } from 'node:test';
import { randomOf } from '../bpf/http/exchange.ts';
import { readFromDisk, readInMemory } from './spool-reader.ts';
import { corpus } from './support/corpus.ts';
import { mutated } from './support/mutate.ts';

const INPUTS = Number(process.env.FLOWSPAN_FUZZ_INPUTS ?? 8_000);
/** Of these many inputs one is read from disk as well. */
const DISK_EVERY = 200;
const SEED = Number(process.env.FLOWSPAN_FUZZ_SEED ?? 1);

test(`spool files of any bytes: only rows that were written, in order, once, and all that is untouched (${INPUTS} inputs)`, async () => {
  const entries = corpus('spool');
  const read = async (name: string, bytes: Buffer, onDisk: boolean): Promise<void> => {
    try {
      await (onDisk ? readFromDisk(bytes) : readInMemory(bytes));
    } catch (error) {
      throw new Error(`${name}: ${bytes.toString('base64')}`, { cause: error });
    }
  };
  for (const { name, bytes } of entries) await read(name, bytes, true);
  const inputs = entries.map(({ bytes }) => bytes);
  for (let index = 0; index < INPUTS; index += 1) {
    const bytes = mutated(randomOf(SEED * 1_000_000 + index), inputs);
    await read(`input ${index}`, bytes, index % DISK_EVERY === 0);
  }
});
