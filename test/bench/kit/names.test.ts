/** What is promised to be measured is there, and what is there is explained. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const FOLDER = join(import.meta.dirname, '..');
const README = join(FOLDER, 'README.md');
const PROMISED = [
  'overhead-rps',
  'overhead-flows',
  'overhead-redis',
  'overhead-conn',
  'cpu-10k',
  'cpu-1k',
  'kernel-ns',
  'drain',
  'pipeline',
  'peer-collector',
  'disk',
  'query',
  'freshness',
  'wakeups',
  'memory',
  'peer-sidecars',
  'peer-capture',
  'peer-tcp',
];
const benches = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));

test('every bench that is promised is a program', () => {
  assert.deepEqual(
    PROMISED.filter((name) => !benches.includes(name)),
    [],
  );
});

test('the README names every bench', () => {
  const text = readFileSync(README, 'utf8');
  assert.deepEqual(
    benches.filter((name) => !text.includes(`\`${name}\``)),
    [],
  );
});
