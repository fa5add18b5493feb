/**
 * Runs one bench, or all of them and prints their figures as one table. Usage: node test/bench/run.ts [NAME].
 * test/bench/NAME.ts is a bench: a program of its own whose last line is its figure (kit/result.ts). Exit code 0 says
 * that everything was measured, whatever the figures.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type BenchResult, FIRST_KEY } from './kit/result.ts';
import { tableOf } from './kit/table.ts';

const benches = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));

/** Runs a bench, shows what it prints and keeps its figures. */
async function runBench(name: string): Promise<{ code: number; figures: BenchResult[] }> {
  const bench = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number>((resolve) => bench.on('close', (code) => resolve(code ?? 1)));
  const figures: BenchResult[] = [];
  for await (const line of createInterface({ input: bench.stdout })) {
    process.stdout.write(`${line}\n`);
    if (line.startsWith(FIRST_KEY)) figures.push(JSON.parse(line) as BenchResult);
  }
  return { code: await ended, figures };
}

const [name = ''] = process.argv.slice(2);
if (benches.includes(name)) process.exit((await runBench(name)).code);
if (name !== '') {
  process.stderr.write(`FLOW_BENCH_NAME: '${name}' is no bench; make bench NAME=<${benches.join(' | ')}>\n`);
  process.exit(2);
}
const figures: BenchResult[] = [];
const failed: string[] = [];
for (const each of benches) {
  process.stdout.write(`\n# ${each}\n`);
  const { code, figures: told } = await runBench(each);
  figures.push(...told);
  if (code !== 0) failed.push(each);
}
process.stdout.write(`\n${tableOf(figures)}\n`);
if (failed.length > 0) process.stdout.write(`\nnot measured: ${failed.join(', ')} (their output is above)\n`);
process.exit(failed.length === 0 ? 0 : 1);
