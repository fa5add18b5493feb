/**
 * Who listens where, in every network namespace that some process lives in, from /proc. A connection's first record
 * comes before its server's process has touched it; this tells whose it will be.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
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

/** One network namespace. */
export interface Residence {
  /** Its nsfs inode number. */
  readonly netns: number;
  /** Its own addresses, 16 bytes each; loopback and link-local ones aside. */
  readonly addresses: readonly Uint8Array[];
  /** Processes that live in it, the first of them. */
  readonly pids: readonly number[];
}

/** What one look found. */
export interface Listening {
  readonly listeners: readonly Listener[];
  readonly residences: readonly Residence[];
}

/** Sockets and descriptors one look goes through. */
const MOST_SOCKETS = 65_536;
const MOST_DESCRIPTORS = 500_000;
/** Processes looked at before the event loop gets a turn: a few milliseconds. */
const PROCESSES_PER_TURN = 16;
const DESCRIPTORS_PER_TURN = 1000;
/** Processes of a namespace that are asked who they are. */
const RESIDENTS = 64;

/** State of a listening TCP socket, and of a UDP socket without a peer, in /proc/net. */
const LISTENING: Readonly<Record<string, string>> = { tcp: '0A', udp: '07' };
/** A line of /proc/net/tcp in another state: number, both ends, state. */
const CONNECTION = /^ *\d+: [\dA-F]+:[\dA-F]+ [\dA-F]+:[\dA-F]+ (?!0A)/m;
/** What is read of it at once; the kernel gives a page. */
const pieces = Buffer.alloc(16 * 1024);
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

/** Global IPv6 addresses in the text of /proc/<pid>/net/if_inet6. */
export function parseLocalAddresses6(text: string): Uint8Array[] {
  const found = [...text.matchAll(/^([0-9a-f]{32}) [0-9a-f]+ [0-9a-f]+ 00 /gm)];
  return found.map(([, hex]) => Uint8Array.from(Buffer.from(hex as string, 'hex')));
}

function readText(path: string): string {
  return attempt(() => readFileSync(path, 'latin1')) ?? '';
}

/**
 * The text of /proc/<pid>/net/{tcp,tcp6,udp,udp6}, for TCP no further than the first piece that tells of a connection: the
 * kernel lists what listens first, and a busy server has ten thousand lines behind.
 */
function readSockets(path: string): string {
  if (!path.includes('/net/tcp')) return readText(path);
  const file = attempt(() => openSync(path, 'r'));
  if (file === undefined) return '';
  let text = '';
  try {
    for (;;) {
      const bytes = readSync(file, pieces, 0, pieces.length, null);
      text += pieces.toString('latin1', 0, bytes);
      if (bytes === 0 || CONNECTION.test(text)) return text;
    }
  } catch {
    return text;
  } finally {
    closeSync(file);
  }
}

/** Looks through /proc, giving way to other work in between. @param proc where procfs is mounted */
export async function findListeners(proc = '/proc'): Promise<Listening> {
  const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  const namespaces = new Map<number, number[]>();
  const sockets = new Map<string, Listener & { pids: number[] }>();
  for (const pid of pids) {
    const netns = Number(attempt(() => readlinkSync(`${proc}/${pid}/ns/net`))?.slice('net:['.length, -1));
    if (Number.isNaN(netns)) continue;
    const residents = namespaces.get(netns) ?? [];
    namespaces.set(netns, residents);
    if (residents.length < RESIDENTS) residents.push(Number(pid));
  }
  const residences: Residence[] = [];
  for (const [netns, residents] of namespaces) {
    const net = `${proc}/${residents[0]}/net`;
    const addresses = [
      ...parseLocalAddresses(readText(`${net}/fib_trie`)),
      ...parseLocalAddresses6(readText(`${net}/if_inet6`)),
    ];
    residences.push({ netns, addresses, pids: residents });
    for (const file of ['tcp', 'tcp6', 'udp', 'udp6']) {
      for (const { inode, ...socket } of parseSockets(readSockets(`${net}/${file}`), file)) {
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
    for (const [count, descriptor] of descriptors.entries()) {
      if (count % DESCRIPTORS_PER_TURN === DESCRIPTORS_PER_TURN - 1) await turn();
      const inode = attempt(() => readlinkSync(`${proc}/${pid}/fd/${descriptor}`))?.match(/^socket:\[(\d+)\]$/)?.[1];
      const socket = inode === undefined ? undefined : sockets.get(inode);
      if (socket !== undefined && !socket.pids.includes(Number(pid))) socket.pids.push(Number(pid));
    }
    if (index % PROCESSES_PER_TURN === 0) await turn();
  }
  return { listeners: [...sockets.values()].filter((socket) => socket.pids.length > 0), residences };
}

/**
 * Tells the ends who listens where, and who lives alone in a namespace. A socket that several endpoints hold is nobody's;
 * init holds those it activates.
 */
export async function learnListeners(ends: Ends, localEnd: LocalEnd, proc?: string): Promise<void> {
  const { listeners, residences } = await findListeners(proc);
  const known = new Map<number, number>();
  const numberOf = (pid: number): number => {
    const number = known.get(pid) ?? localEnd.ofProcess(pid);
    known.set(pid, number);
    return number;
  };
  /** The endpoint of all these processes, 0 if they have not one and the same. */
  const common = (pids: readonly number[]): number => {
    const numbers = new Set(pids.map(numberOf));
    return numbers.size === 1 ? ([...numbers][0] as number) : 0;
  };
  for (const { addresses, pids } of residences) {
    const number = pids.length < RESIDENTS ? common(pids) : 0;
    for (const address of addresses) ends.noteLocalAddress(address, number);
  }
  for (const { protocol, address, port, netns, pids } of listeners) {
    const number = common(pids.length > 1 ? pids.filter((pid) => pid !== 1) : pids);
    if (number !== 0) ends.noteListener(protocol, address, port, netns, number);
  }
}
