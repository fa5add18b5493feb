/** The kernel's HTTP parser, compiled for this machine with stand-ins for the helpers that it calls (shim/). */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import type { Exchange } from '../../bpf/http/exchange.ts';
import { readRequest } from '../../bpf/http/record.ts';
import { corpusFolder, type Entry, entriesOf } from '../support/corpus.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
const DICTIONARY = join(HERE, 'http.dict');
/** Bytes of the longest input that is made up; entries of the corpus may be longer. */
const INPUT_MAX = 2_000;
const OUTPUT_MAX = 64 * 1024 ** 2;

/** What the natively compiled parser says of one entry. */
export interface Native {
  readonly rows: Exchange[];
  /** Label of enum application_protocol; undefined while it may be HTTP/1. */
  readonly rejected: string | undefined;
}

const compiled = new Set<string>();

function compile(main: 'fuzz' | 'replay', sanitizers: string): string {
  const program = `${ROOT}build/test/http-${main}`;
  if (compiled.has(program)) return program;
  compiled.add(program);
  mkdirSync(`${ROOT}build/test`, { recursive: true });
  execFileSync(process.env.CLANG ?? 'clang-19', [
    '-O1',
    '-g',
    '-Wall',
    '-Werror',
    // Attributes of the BPF target mean nothing here; not every function of the shared headers is called.
    '-Wno-unknown-attributes',
    '-Wno-ignored-attributes',
    '-Wno-unused-function',
    `-fsanitize=${sanitizers}`,
    // The BPF programs read words wherever they stand, as the machine allows.
    '-fno-sanitize=alignment',
    '-fno-sanitize-recover=all',
    `-I${HERE}shim`,
    `-I${ROOT}bpf`,
    '-DFLOWSPAN_LAYOUT_HASH="0123456789abcdef"',
    `${HERE}${main}.c`,
    `${HERE}shim.c`,
    '-o',
    program,
  ]);
  return program;
}

/** What the natively compiled parser says of each entry, its streams cut anywhere. */
export function replay(entries: readonly Entry[]): Native[] {
  const program = compile('replay', 'address,undefined');
  const input = entries.map(({ path }) => `${path}\n`).join('');
  return execFileSync(program, { input, encoding: 'utf8', maxBuffer: OUTPUT_MAX })
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const { protocol, records } = JSON.parse(line) as { protocol: number; records: string[] };
      const label = Object.entries(ENUMS.application_protocol).find(([, value]) => value === protocol)?.[0];
      return {
        rows: records.map((record) => readRequest(Buffer.from(record, 'hex'))),
        rejected: label === 'empty' ? undefined : label,
      };
    });
}

/** How long to fuzz: whichever ends first. */
export interface Bound {
  readonly runs: number;
  readonly seconds: number;
  readonly seed: number;
}

/** What fuzzing came to. */
export interface Fuzzed {
  /** Inputs tried. */
  readonly tried: number;
  /** The corpus, and what was found to reach something new. */
  readonly found: Entry[];
}

/**
 * Runs libFuzzer over a copy of the corpus.
 * @throws Error with what was violated, and the input as base64
 */
export async function fuzz({ runs, seconds, seed }: Bound): Promise<Fuzzed> {
  const program = compile('fuzz', 'fuzzer,address,undefined');
  const folder = temporaryFolder();
  const found = join(folder, 'corpus');
  cpSync(corpusFolder('http'), found, { recursive: true });
  const options = { runs, max_total_time: seconds, seed, max_len: INPUT_MAX, timeout: 20, rss_limit_mb: 2048 };
  const fuzzer = spawn(
    program,
    [
      ...Object.entries(options).map(([name, value]) => `-${name}=${value}`),
      `-dict=${DICTIONARY}`,
      `-artifact_prefix=${folder}/`,
      '-print_final_stats=1',
      found,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1' } },
  );
  let said = '';
  fuzzer.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('latin1')}`.slice(-20_000);
  });
  const [status] = (await once(fuzzer, 'close')) as [number | null];
  if (status !== 0) {
    const inputs = globSync(`${folder}/{crash,leak,timeout,oom}-*`).map((file) =>
      readFileSync(file).toString('base64'),
    );
    throw new Error(`libFuzzer ended with ${status}:\n${said}\ninput, base64: ${inputs.join('\n')}`);
  }
  return { tried: Number(/stat::number_of_executed_units:\s+(\d+)/.exec(said)?.[1]), found: entriesOf(found) };
}
