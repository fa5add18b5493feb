/**
 * Who listens where, in every network namespace that some process lives in, from /proc. A connection's first record
 * comes before its server's process has touched it; this tells whose it will be.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';

import type { Ends } from './ends.ts';
import type { LocalEnd } from './local_end.ts';

/** One socket that waits for whoever comes. */
export interface Listener {
  /** Network namespace, its nsfs inode number. */
  readonly netns: number;
  /** 6 TCP, 17 UDP. */
  readonly protocol: number;
  /** 16 bytes, IPv4 as v4-mapped; zeros for all addresses. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Processes that hold it. */
  readonly pids: readonly number[];
}

/** What one look found. */
export interface Listening {
  readonly listeners: readonly Listener[];
  /** IPv4 addresses that belong to some namespace of this machine, 16 bytes each. */
  readonly addresses: readonly Uint8Array[];
}

/** Sockets and descriptors one look goes through. */
const MOST_SOCKETS = 65_536;
const MOST_DESCRIPTORS = 500_000;
/** Processes looked at before the event loop gets a turn: a few milliseconds. */
const PROCESSES_PER_TURN = 16;

/** State of a listening TCP socket, and of a UDP socket without a peer, in /proc/net. */
const LISTENING: Readonly<Record<string, string>> = { tcp: '0A', udp: '07' };
const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // Gone meanwhile, or not ours to read.
  }
}

/** Address in /proc/net: 32-bit words, each as this machine's bytes; IPv4 becomes v4-mapped. */
export function procAddress(hex: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const words = hex.match(/.{8}/g) ?? [];
  const begin = words.length === 1 ? 12 : 0;
  for (const [index, word] of words.entries()) {
    new DataView(bytes.buffer).setUint32(begin + index * 4, Number.parseInt(word, 16), true);
  }
  if (words.length === 1 && bytes.some((byte) => byte !== 0)) bytes.fill(0xff, 10, 12);
  return bytes;
}

/** Listening sockets in the text of /proc/<pid>/net/{tcp,tcp6,udp,udp6}, by inode. */
export function parseSockets(text: string, file: string): { address: Uint8Array; port: number; inode: string }[] {
  const state = LISTENING[file.slice(0, 3)];
  const sockets = [];
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address, port] = (fields[1] ?? '').split(':');
    const inode = fields[9];
    if (fields[3] !== state || address === undefined || port === undefined || inode === undefined || inode === '0')
      continue;
    sockets.push({ address: procAddress(address), port: Number.parseInt(port, 16), inode });
  }
  return sockets;
}

/** Local IPv4 addresses in the text of /proc/<pid>/net/fib_trie, loopback aside. */
export function parseLocalAddresses(text: string): Uint8Array[] {
  const found = [...text.matchAll(/\|-- (\d+)\.(\d+)\.(\d+)\.(\d+)\n\s+\/32 host LOCAL/g)];
  const unique = new Map(found.map((match) => [match[0].split('\n')[0], match.slice(1, 5).map(Number)]));
  return [...unique.values()]
    .filter(([first]) => first !== 127)
    .map((parts) => Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...parts]));
}

/** Looks through /proc, giving way to other work in between. @param proc where procfs is mounted */
export async function findListeners(proc = '/proc'): Promise<Listening> {
  const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  const namespaces = new Map<number, string>();
  const sockets = new Map<string, Listener & { pids: number[] }>();
  const addresses: Uint8Array[] = [];
  for (const pid of pids) {
    const netns = Number(attempt(() => readlinkSync(`${proc}/${pid}/ns/net`))?.slice('net:['.length, -1));
    if (!Number.isNaN(netns) && !namespaces.has(netns)) namespaces.set(netns, pid);
  }
  for (const [netns, pid] of namespaces) {
    addresses.push(...parseLocalAddresses(attempt(() => readFileSync(`${proc}/${pid}/net/fib_trie`, 'latin1')) ?? ''));
    for (const file of ['tcp', 'tcp6', 'udp', 'udp6']) {
      const text = attempt(() => readFileSync(`${proc}/${pid}/net/${file}`, 'latin1')) ?? '';
      for (const { inode, ...socket } of parseSockets(text, file)) {
        if (sockets.size >= MOST_SOCKETS) break;
        sockets.set(inode, { netns, protocol: PROTOCOLS[file.slice(0, 3)] as number, ...socket, pids: [] });
      }
    }
    await turn();
  }
  let left = MOST_DESCRIPTORS;
  for (const [index, pid] of pids.entries()) {
    const descriptors = attempt(() => readdirSync(`${proc}/${pid}/fd`)) ?? [];
    left -= descriptors.length;
    if (left < 0) break;
    for (const descriptor of descriptors) {
      const inode = attempt(() => readlinkSync(`${proc}/${pid}/fd/${descriptor}`))?.match(/^socket:\[(\d+)\]$/)?.[1];
      const socket = inode === undefined ? undefined : sockets.get(inode);
      if (socket !== undefined && !socket.pids.includes(Number(pid))) socket.pids.push(Number(pid));
    }
    if (index % PROCESSES_PER_TURN === 0) await turn();
  }
  return { listeners: [...sockets.values()].filter((socket) => socket.pids.length > 0), addresses };
}

/** Tells the ends who listens where. A socket that several endpoints hold is nobody's; init holds those it activates. */
export async function learnListeners(ends: Ends, localEnd: LocalEnd, proc?: string): Promise<void> {
  const { listeners, addresses } = await findListeners(proc);
  for (const address of addresses) ends.noteLocalAddress(address);
  const known = new Map<number, number>();
  const numberOf = (pid: number): number => {
    const number = known.get(pid) ?? localEnd.ofProcess(pid);
    known.set(pid, number);
    return number;
  };
  for (const { protocol, address, port, netns, pids } of listeners) {
    const owners = pids.length > 1 ? pids.filter((pid) => pid !== 1) : pids;
    const numbers = new Set(owners.map(numberOf));
    const [number = 0] = numbers;
    if (numbers.size === 1 && number !== 0) ends.noteListener(protocol, address, port, netns, number);
  }
}
