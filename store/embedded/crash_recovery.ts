/**
 * Before the engine opens after a crash: forgets deduplication tokens of inserts that were written down but never made.
 * The engine notes a token first and then commits the part; had it died between the two, the retry of that insert would
 * be taken for a duplicate and its rows be lost.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LOG_DIRECTORY = 'deduplication_logs';
/** partition _ first block _ last block _ level [_ mutation] */
const PART = /^([^_]+)_(\d+)_(\d+)_\d+(?:_\d+)?$/;
/** First field of a line that adds a token. */
const ADDED = '1';

interface Blocks {
  readonly partition: string;
  readonly first: number;
  readonly last: number;
}

/** Whether an engine has the data directory open: it holds a lock on the file `status` there. */
export function isInUse(dataDir: string): boolean {
  const status = join(dataDir, 'status');
  return existsSync(status) && spawnSync('flock', ['--nonblock', status, 'true']).status === 1;
}

/**
 * Repairs every table of a data directory that no engine has open.
 * @returns how many tokens were forgotten
 */
export function forgetUnmadeInserts(dataDir: string): number {
  let forgotten = 0;
  for (const table of tableDirectories(join(dataDir, 'store'))) {
    const logs = join(table, LOG_DIRECTORY);
    if (!existsSync(logs)) continue;
    const parts = readdirSync(table).flatMap((name) => blocksOf(name) ?? []);
    for (const file of readdirSync(logs)) forgotten += repair(join(logs, file), parts);
  }
  return forgotten;
}

function* tableDirectories(root: string): Generator<string> {
  if (!existsSync(root)) return;
  for (const prefix of readdirSync(root)) {
    for (const uuid of readdirSync(join(root, prefix))) yield join(root, prefix, uuid);
  }
}

function blocksOf(name: string): Blocks | undefined {
  const match = PART.exec(name);
  if (match === null) return undefined;
  return { partition: match[1]!, first: Number(match[2]), last: Number(match[3]) };
}

/** A part that was merged since is within a part with more blocks. */
function isThere(name: string, parts: readonly Blocks[]): boolean {
  const part = blocksOf(name);
  if (part === undefined) return true;
  return parts.some(
    ({ partition, first, last }) => partition === part.partition && first <= part.first && part.last <= last,
  );
}

function repair(path: string, parts: readonly Blocks[]): number {
  const text = readFileSync(path, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').slice(0, -1);
  const kept = lines.filter((line) => {
    const [operation, part] = line.split('\t');
    return operation !== ADDED || part === undefined || isThere(part, parts);
  });
  if (kept.length === lines.length && whole === text) return 0;
  writeFileSync(`${path}.tmp`, kept.map((line) => `${line}\n`).join(''), { mode: 0o640 });
  renameSync(`${path}.tmp`, path);
  return lines.length - kept.length;
}
