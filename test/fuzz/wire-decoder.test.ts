/** The wire decoder and the data path behind it, over the corpus and over inputs made from it. */
import { test } from 'node:test';
import { randomOf } from '../bpf/http/exchange.ts';
import { corpus } from './support/corpus.ts';
import { mutated } from './support/mutate.ts';
import { WireDecoder } from './wire-decoder.ts';

const INPUTS = Number(process.env.FLOWSPAN_FUZZ_INPUTS ?? 4_000);
const SEED = Number(process.env.FLOWSPAN_FUZZ_SEED ?? 1);

test(`records of any bytes: no throw, each counted once, nothing read beyond (${INPUTS} inputs)`, () => {
  const entries = corpus('wire');
  const decoder = new WireDecoder();
  const decode = (name: string, bytes: Buffer): void => {
    try {
      decoder.decode(bytes);
    } catch (error) {
      throw new Error(`${name}: ${bytes.toString('base64')}`, { cause: error });
    }
  };
  for (const { name, bytes } of entries) decode(name, bytes);
  const inputs = entries.map(({ bytes }) => bytes);
  for (let index = 0; index < INPUTS; index += 1)
    decode(`input ${index}`, mutated(randomOf(SEED * 1_000_000 + index), inputs));
});
