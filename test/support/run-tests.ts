/**
 * Runs the test files of the given glob patterns with node's runner, one file after the other (they share this
 * machine's cgroups and its two cores), and leaves in build/test-exceptions.txt which tests were skipped and why, and
 * which files failed.
 * Usage: node test/support/run-tests.ts [PATTERN...]
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Longest that one file may take, in milliseconds; the long tests (`make soak`) may take longer. */
const TEST_TIMEOUT_MS = process.env.FLOWSPAN_SOAK === '1' ? 1_800_000 : 240_000;
const EXCEPTIONS = 'build/test-exceptions.txt';

const patterns = process.argv.slice(2);
mkdirSync('build', { recursive: true });
rmSync(EXCEPTIONS, { force: true });
const runner = spawn(
  process.execPath,
  [
    '--test',
    '--test-concurrency=1',
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    // A test that leaves something open would keep its file's process for ever; what is left is removed at its exit.
    '--test-force-exit',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${fileURLToPath(new URL('./exceptions-reporter.ts', import.meta.url))}`,
    `--test-reporter-destination=${EXCEPTIONS}`,
    ...(patterns.length > 0 ? patterns : ['test/**/*.test.ts']),
  ],
  { stdio: 'inherit' },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
runner.on('exit', (code) => process.exit(code ?? 1));
