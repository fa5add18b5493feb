/** Network namespaces, joined by veth pairs that speak IPv4 and IPv6. */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { note, removeNow, uniqueName } from './registry.ts';

/** A network namespace with its loopback up. */
export interface Namespace {
  readonly name: string;
  /** Its nsfs inode number, as in the column `netns`. */
  readonly inode: number;
  /** What to put before a command to run it there. `nsenter`, because `ip netns exec` hides cgroup v2. */
  readonly enter: readonly string[];
  /** Runs a command there to its end and returns what it printed. Throws if it fails. */
  run(command: string, ...args: string[]): string;
  remove(): void;
}

/** Addresses of the two ends of a veth pair. */
export interface Pair {
  readonly a: { readonly ipv4: string; readonly ipv6: string };
  readonly b: { readonly ipv4: string; readonly ipv6: string };
}

const TIMEOUT_MS = 60_000;
let pairs = 0;

export function createNamespace(): Namespace {
  const name = uniqueName();
  note('namespace', name);
  execFileSync('ip', ['netns', 'add', name]);
  const path = `/run/netns/${name}`;
  const enter = ['nsenter', `--net=${path}`];
  const run = (command: string, ...args: string[]): string =>
    execFileSync('nsenter', [`--net=${path}`, command, ...args], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      maxBuffer: 256 * 1024 ** 2,
    });
  run('ip', 'link', 'set', 'lo', 'up');
  return { name, inode: statSync(path).ino, enter, run, remove: () => removeNow('namespace', name) };
}

/** Joins two namespaces. Both addresses of both ends are usable when this returns. */
export function connect(a: Namespace, b: Namespace): Pair {
  pairs += 1;
  const [deviceA, deviceB] = [uniqueName(), uniqueName()];
  const subnet = (end: number) => ({
    ipv4: `10.${200 + (pairs >> 8)}.${pairs & 255}.${end}`,
    ipv6: `fd00:f5:${pairs}::${end}`,
  });
  const pair = { a: subnet(1), b: subnet(2) };
  a.run('ip', 'link', 'add', deviceA, 'type', 'veth', 'peer', 'name', deviceB, 'netns', b.name);
  for (const [namespace, device, end] of [
    [a, deviceA, pair.a],
    [b, deviceB, pair.b],
  ] as const) {
    namespace.run('ip', 'addr', 'add', `${end.ipv4}/24`, 'dev', device);
    namespace.run('ip', 'addr', 'add', `${end.ipv6}/64`, 'dev', device, 'nodad');
    namespace.run('ip', 'link', 'set', device, 'up');
  }
  return pair;
}
