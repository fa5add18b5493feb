/**
 * Runs the test files of the given glob patterns, each in a process of its own, and prints what each tells when it is
 * over. What shares this machine's cgroups, and its two cores, runs one file after the other; beside it, and behind it,
 * run the files that only use their own (lanes.ts). Left in build/: which tests were skipped and why and which files
 * failed (test-exceptions.txt), and how long each file took (test-durations.txt).
 * Usage: node test/support/run-tests.ts [PATTERN...]
 */
import { appendFileSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type EventData, run } from 'node:test';
import { spec, type TestEvent } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { exceptions } from './exceptions.ts';
import { lanes } from './lanes.ts';

/** Longest that one file may take, in milliseconds: two boots in an emulator; an hour and half of one for the long tests (`make soak`). */
const TEST_TIMEOUT_MS = process.env.FLOWSPAN_SOAK === '1' ? 5_400_000 : 660_000;
/** Most files that run beside the one that has the machine. */
const MOST_BESIDE = 2;
const BEHIND = fileURLToPath(new URL('behind.ts', import.meta.url));
const EXCEPTIONS = 'build/test-exceptions.txt';
const DURATIONS = 'build/test-durations.txt';

const totals = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
let success = true;
const durations: [seconds: number, file: string][] = [];
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());

const report = new spec();
report.pipe(process.stdout, { end: false });

/**
 * Runs one file; what it told is printed at once, so that files side by side do not mix.
 * @param words further arguments of its node
 */
async function runFile(file: string, ...words: string[]): Promise<void> {
  const events: TestEvent[] = [];
  const stream = run({
    files: [file],
    timeout: TEST_TIMEOUT_MS,
    signal: stopping.signal,
    // A test that leaves something open would keep its file's process for ever; what is left is removed at its exit.
    execArgv: ['--test-force-exit', ...words],
  });
  for await (const event of stream as AsyncIterable<TestEvent>) {
    if (event.data !== undefined && 'file' in event.data && event.data.file !== undefined) events.push(event);
    else if (event.type === 'test:summary') add(file, event.data);
  }
  appendFileSync(
    EXCEPTIONS,
    exceptions(file, events)
      .map((line) => `${line}\n`)
      .join(''),
  );
  for (const event of events) report.write(event);
}

/** Takes one file after the other from the list, and runs it. */
async function runAll(left: string[], ...words: string[]): Promise<void> {
  for (let file = left.shift(); file !== undefined && !stopping.signal.aborted; file = left.shift()) {
    await runFile(file, ...words);
  }
}

/** Adds up what node says of all tests of a file. */
function add(file: string, summary: EventData.TestSummary): void {
  const { tests, suites, passed, cancelled, skipped, todo } = summary.counts;
  totals.tests += tests;
  totals.suites += suites;
  totals.pass += passed;
  totals.fail += tests - passed - cancelled - skipped - todo;
  totals.cancelled += cancelled;
  totals.skipped += skipped;
  totals.todo += todo;
  success &&= summary.success;
  durations.push([summary.duration_ms / 1000, file]);
}

const patterns = process.argv.slice(2);
const files = globSync(patterns.length > 0 ? patterns : 'test/**/*.test.ts').toSorted();
if (files.length === 0) throw new Error(`FLOW_TEST_NO_FILES: no file is named ${patterns.join(' ')}`);
mkdirSync('build', { recursive: true });
writeFileSync(EXCEPTIONS, '');
const begunMs = performance.now();
const { alone, beside } = lanes(files);
const runBeside = () => runAll(beside, `--import=${BEHIND}`);
await Promise.all([runAll(alone).then(runBeside), ...Array.from({ length: MOST_BESIDE }, runBeside)]);
report.end();
await finished(report);
durations.sort(([a], [b]) => b - a);
writeFileSync(DURATIONS, durations.map(([s, file]) => `${s.toFixed(1)} ${file}\n`).join(''));
const durationMs = Math.round(performance.now() - begunMs);
// The closing lines of node's own runner, over all files.
console.log('');
for (const [name, count] of Object.entries({ ...totals, duration_ms: durationMs })) console.log(`ℹ ${name} ${count}`);
process.exit(success && !stopping.signal.aborted ? 0 : 1);
