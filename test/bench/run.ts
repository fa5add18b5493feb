/** Runs one bench. Usage: node test/bench/run.ts NAME, where test/bench/NAME.ts is a bench (it imports result.ts). */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const benches = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .filter((file) => readFileSync(join(import.meta.dirname, file), 'utf8').includes("from './result.ts'"))
  .map((file) => file.slice(0, -'.ts'.length));

const [name = '', ...rest] = process.argv.slice(2);
if (benches.includes(name)) {
  const bench = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...rest], { stdio: 'inherit' });
  bench.on('exit', (code) => process.exit(code ?? 1));
} else {
  process.stderr.write(`FLOW_BENCH_NAME: '${name}' is no bench; make bench NAME=<${benches.join(' | ')}>\n`);
  process.exit(2);
}
