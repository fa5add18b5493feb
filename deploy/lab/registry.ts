/**
 * What tests and the demo make outside their own process (namespaces, cgroups, processes, mounts, folders) is noted in a file
 * before it is made, so that it is removed at the process's end, and by the next such process if this one was killed.
 */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Kinds in the order in which they are removed. */
const KINDS = ['process', 'namespace', 'cgroup', 'mount', 'folder'] as const;
type Kind = (typeof KINDS)[number];

/** One thing made: for a process `pid start-time`, else its name or path. */
interface Entry {
  readonly kind: Kind;
  readonly name: string;
}

const FOLDER = join(tmpdir(), 'flowspan-tests');
const OWN_FILE = join(FOLDER, `${process.pid} ${startTime(process.pid)}`);
const made: Entry[] = [];
let counter = 0;

/** When a process started, in clock ticks after boot; empty if it is gone. Tells a pid from its later reuse. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function remove({ kind, name }: Entry): void {
  if (kind === 'process') {
    const [pid = '', start = ''] = name.split(' ');
    if (startTime(Number(pid)) !== start) return;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // gone between the two lines
    }
  } else if (kind === 'namespace') {
    spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
  } else if (kind === 'mount') {
    spawnSync('umount', ['--lazy', name], { stdio: 'ignore' });
  } else if (kind === 'cgroup') {
    removeCgroup(name);
  } else {
    rmSync(name, { recursive: true, force: true });
  }
}

/** Kills what runs in a cgroup and below, and removes it; a killed process needs a moment to leave. */
function removeCgroup(path: string): void {
  if (!existsSync(path)) return;
  const below = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const paths = [path, ...below.map((entry) => join(entry.parentPath, entry.name))];
  for (const each of paths.toSorted((a, b) => b.length - a.length)) {
    killIn(each);
    for (let tries = 0; tries < 100; tries += 1) {
      try {
        rmdirSync(each);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY') break;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
    }
  }
}

function killIn(cgroup: string): void {
  try {
    writeFileSync(join(cgroup, 'cgroup.kill'), '1');
    return;
  } catch {
    // One of v1 has no such file.
  }
  try {
    const pids = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').map(Number);
    for (const pid of pids) if (pid > 0 && pid !== process.pid) process.kill(pid, 'SIGKILL');
  } catch {
    // It, or one of its processes, is gone.
  }
}

function removeAll(entries: readonly Entry[]): void {
  for (const kind of KINDS) {
    for (const entry of entries.filter((candidate) => candidate.kind === kind).reverse()) remove(entry);
  }
}

/** Removes what was left by processes that were killed; of several that begin at once, each thing by one of them. */
function sweep(): void {
  for (const [index, file] of readdirSync(FOLDER).entries()) {
    const [pid = '', start = ''] = file.split(' ');
    if (startTime(Number(pid)) === start) continue;
    const taken = `${OWN_FILE} ${index}`;
    try {
      renameSync(join(FOLDER, file), taken);
    } catch {
      continue; // another process was faster
    }
    const lines = readFileSync(taken, 'utf8').split('\n').filter(Boolean);
    removeAll(lines.map((line) => JSON.parse(line) as Entry));
    rmSync(taken, { force: true });
  }
}

mkdirSync(FOLDER, { recursive: true });
sweep();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
process.on('exit', () => {
  removeAll(made);
  rmSync(OWN_FILE, { force: true });
});

/** A name that no other process uses: `fs-<pid>-<number>`. At most 15 bytes, as for network devices. */
export function uniqueName(): string {
  counter += 1;
  return `fs-${process.pid}-${counter}`;
}

/** Notes a thing that is about to be made. */
export function note(kind: Kind, name: string): void {
  const entry = { kind, name };
  appendFileSync(OWN_FILE, `${JSON.stringify(entry)}\n`);
  made.push(entry);
}

/** Notes a process that was started. */
export function noteProcess(pid: number): void {
  note('process', `${pid} ${startTime(pid)}`);
}

/** Removes a thing now, and forgets it. */
export function removeNow(kind: Kind, name: string): void {
  const index = made.findIndex((entry) => entry.kind === kind && entry.name === name);
  const entry = made[index];
  if (entry === undefined) return;
  made.splice(index, 1);
  remove(entry);
}
