/**
 * The native addon: eBPF objects, maps, links and ring buffers over libbpf. Bytes in, bytes out; it knows no record and
 * takes no decision.
 *
 * Handles hold until `close()`, until the object they came from is closed, or until this thread's environment ends
 * (exit, worker termination); garbage collection closes none of them. Closing twice is harmless; any other use of a
 * closed handle throws FLOW_NATIVE_CLOSED. What was attached is detached when the process is gone, however it went; only
 * what was given a name in a BPF filesystem stays until the name is removed, and filters, which belong to a device. Handles
 * cannot be passed to another thread; each thread that imports this module opens its own.
 */
import { createRequire } from 'node:module';

/** What every failed call throws; wrong arguments throw it as a TypeError. */
export interface NativeError extends Error {
  /** FLOW_NATIVE_<WHAT>: what failed. */
  readonly code: string;
  /** The kernel's or libbpf's error number, positive; 0 when there is none. */
  readonly errno: number;
  /** The same in words; empty when there is none. */
  readonly cause: string;
  /** What can be done about it, one sentence. */
  readonly nextStep: string;
  /** The last 64 KiB of what libbpf and the verifier said during this call; empty when they said nothing. */
  readonly log: string;
}

/** Anything that can be closed. */
export interface Handle {
  /** Gives the kernel resource back; does nothing when it was given back before. */
  close(): void;
}

/** What the kernel says of a link. */
export interface LinkInfo {
  readonly id: number;
  /** The kernel's id of the program. */
  readonly programId: number;
  /** Of a link to a cgroup: the inode number of its directory, 0 when that is gone. */
  readonly cgroupId?: bigint;
  /** Of a link to a device: its index, 0 when it is gone. */
  readonly ifindex?: number;
}

/** An attached program. Closing it detaches, unless it is pinned. */
export interface Link extends Handle {
  /** Keeps it, whatever becomes of this process, until `path` is unlinked; its directory exists. */
  pin(path: string): void;
  /** Puts another program of the same type into it, without a moment between the two. */
  update(object: BpfObject, program: string): void;
  info(): LinkInfo;
}

/** Which packets a program on a device sees, as the device's network namespace sees them. */
export type Direction = 'ingress' | 'egress';

/** One program of an object. */
export interface ProgramInfo {
  readonly name: string;
  /** ELF section, which says where it attaches, such as `tp_btf/tcp_probe`. */
  readonly section: string;
  /** libbpf's name of the program type, such as `cgroup_skb`. */
  readonly type: string;
}

/** What a loaded program has cost; zeros unless statistics are enabled (see `enableStats`). */
export interface ProgramStats {
  readonly name: string;
  /** The kernel's id of the program. */
  readonly id: number;
  /** Runs counted while statistics were enabled. */
  readonly runCount: bigint;
  /** Time spent in these runs, nanoseconds. */
  readonly runTimeNs: bigint;
  /** Times the program was not run because it was running already on that CPU. */
  readonly recursionMisses: bigint;
  /** Instructions the verifier walked to accept it. */
  readonly verifiedInstructions: number;
}

/** Input of a test run. */
export interface TestRunOptions {
  /** Packet, from its Ethernet header on, for programs that see packets. */
  readonly data?: Uint8Array;
  /** Context struct as the kernel takes it for this program type. */
  readonly ctx?: Uint8Array;
  /** How often to run; default once. */
  readonly repeat?: number;
}

/** Outcome of a test run. */
export interface TestRunResult {
  /** What the program returned, as an unsigned 32-bit number. */
  readonly retval: number;
  /** Mean time of one run, nanoseconds; 0 for program types the kernel does not time. */
  readonly durationNs: number;
  /** The packet afterwards; empty if none was given. */
  readonly data: Buffer;
  /** The context afterwards; empty if none was given. */
  readonly ctx: Buffer;
}

/** All entries of a map: `count` keys and `count` values, back to back, in the same order. */
export interface MapEntries {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly count: number;
}

/**
 * A loaded map. Closed with its object. Where a value is exchanged it has `valueStride` bytes: for per-CPU maps the
 * values of all possible CPUs, each padded to eight bytes.
 */
export interface BpfMap extends Handle {
  readonly name: string;
  /** libbpf's name of the map type, such as `percpu_array`. */
  readonly type: string;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of one value, of one CPU. */
  readonly valueSize: number;
  /** Bytes of a value as it is exchanged. */
  readonly valueStride: number;
  readonly maxEntries: number;
  /** The value of `key` in a buffer of its own, or null if there is none. */
  lookup(key: Uint8Array): Buffer | null;
  /** The same, and deletes the key at once: what is counted in it until then is in the answer. */
  take(key: Uint8Array): Buffer | null;
  /** Writes a value. `flags`: 0 any (default), 1 only if new, 2 only if there. */
  update(key: Uint8Array, value: Uint8Array, flags?: number): void;
  /** Deletes a key; false if there was none. */
  delete(key: Uint8Array): boolean;
  /** Puts a program, of whichever object, into an array of programs. */
  setProgram(index: number, object: BpfObject, program: string): void;
  /** From now on user space can only read it; programs write on. */
  freeze(): void;
  /**
   * Reads the whole map, in batches where the kernel can for this type. Entries that change meanwhile may be there or
   * not; each is whole.
   */
  entries(): MapEntries;
  /**
   * Writes as many entries as there are keys, in one call where the kernel can, and stops at the first that fails.
   * @returns how many were written: fewer than there are where the map or the kernel had no room for the next
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, flags?: number): number;
  /** Deletes keys; returns how many there were. */
  deleteBatch(keys: Uint8Array): number;
}

/** A BPF object file: opened, then loaded, then attached. */
export interface BpfObject extends Handle {
  /** Sets a global variable; before `load` only. `value` has exactly the variable's bytes. */
  setGlobal(name: string, value: Uint8Array): void;
  /** A copy of a global variable's bytes, as they are now. */
  getGlobal(name: string): Buffer;
  /** Whether `load` loads this program; before `load` only. Default as the section name says. */
  setAutoload(program: string, autoload: boolean): void;
  /** How many entries a map is made for, for rings how many bytes; before `load` only. */
  setMaxEntries(map: string, entries: number): void;
  /**
   * Creates the maps and loads the programs. It succeeds whole or not at all, and is tried once: open the object again
   * to try otherwise. The verifier's words are in the error's `log`.
   */
  load(): void;
  /** Every program, loaded or not. */
  programs(): ProgramInfo[];
  /** Names of its maps, without those that libbpf makes for global variables. */
  maps(): string[];
  /** Attaches a program where its section says: tp_btf, raw_tp, tracepoint, iter, uprobe. */
  attach(program: string): Link;
  /** Attaches a program to a cgroup v2: the path of its directory, or a descriptor of it, which stays the caller's. */
  attachCgroup(program: string, cgroup: string | number): Link;
  /**
   * Attaches a `tc` program to a network device, behind those that are there (tcx, Linux 6.6).
   * @param namespace path of the device's network namespace; left out: this process's
   */
  attachDevice(program: string, ifindex: number, direction: Direction, namespace?: string): Link;
  /**
   * The same as a filter of clsact, for kernels without such links, in place of the one with this priority. It stays until
   * `detachFilter`.
   */
  attachFilter(
    program: string,
    ifindex: number,
    direction: Direction,
    namespace: string | undefined,
    priority: number,
  ): void;
  /** Attaches an `sk_msg` or `sk_skb` program to a map of sockets, in place of the one before; it stays as long as the map. */
  attachMap(program: string, map: string): void;
  /** Makes an iterator of a program, over a map for programs that walk one. Run it with `iterate`. */
  attachIterator(program: string, map?: string): Link;
  /** Walks an iterator to its end and returns what it printed. Blocks: 2 to 5 ms per 10,000 sockets. */
  iterate(link: Link): Buffer;
  /**
   * Begins a walk that the caller reads step by step, and closes: its file descriptor (attach/walk.ts). A read goes on until
   * as many bytes as it asks for have been printed.
   */
  openIterator(link: Link): number;
  /** Runs a loaded program once, or `repeat` times, on given input. */
  testRun(program: string, options?: TestRunOptions): TestRunResult;
  /** A loaded map by name. */
  map(name: string): BpfMap;
  /**
   * A map in words: kind, size, and the type of its values as C text, with every type that it is made of. The same text,
   * the same layout.
   */
  mapLayout(map: string): string;
  /**
   * Takes up a map that `pinMap` has kept, instead of making one; before `load` only.
   * @param path its name in a BPF filesystem
   * @returns false if there is none of that name, or one of another type or size; what its values mean is not compared
   */
  reuseMap(map: string, path: string): boolean;
  /** Keeps a loaded map, whatever becomes of this process, until `path` is unlinked; its directory exists. */
  pinMap(map: string, path: string): void;
  /** Keeps a loaded program in the same way. */
  pinProgram(program: string, path: string): void;
  /** Costs of every loaded program. */
  programStats(): ProgramStats[];
}

/** Reader of a BPF ring buffer; there must be one at most per ring. Closed with its object. */
export interface Ring extends Handle {
  /** Bytes of the ring. */
  readonly size: number;
  /** Bytes in the ring that were not drained, ring headers and unfinished records included. */
  readonly waiting: number;
  /** Records passed over because their first u32 was not a length within them; 0 unless a program is wrong. */
  readonly malformed: number;
  /**
   * Copies whole records into `buffer`, oldest first, until none is left or the next does not fit, and returns the
   * bytes copied. Each record begins with a u32, its own length; it is padded with zeros to a multiple of eight, and the
   * next follows. A record for which more was reserved than its length is copied at its length. What does not fit stays
   * in the ring. Throws FLOW_NATIVE_BUFFER if not even one record fits.
   */
  drain(buffer: Uint8Array): number;
  /**
   * Calls `callback` from the event loop when a program has woken the reader, and again as long as records wait that it
   * leaves behind. One callback per ring: a later one replaces it, null stops. Records written without a wake-up are
   * told by none: drain on a timer as well. Keeps the process alive until `unref`.
   */
  onReadable(callback: (() => void) | null): void;
  /** Lets the process live as long as `onReadable` watches; the default. */
  ref(): void;
  /** Lets the process end although `onReadable` watches. */
  unref(): void;
}

/** Types of the running kernel (/sys/kernel/btf/vmlinux): some megabytes, close it when you know. */
export interface KernelTypes extends Handle {
  /** Names of an enum by value, as the kernel writes them; empty if the kernel has no such enum. */
  enumValues(name: string): Record<number, string>;
  /** Whether the kernel has a type, such as typedef `btf_trace_tcp_probe` for that tracepoint. */
  has(kind: 'typedef' | 'func' | 'struct' | 'enum', name: string): boolean;
}

/**
 * The kernel's connection tracking, in the network namespace of the thread that opened it. Addresses are 16 bytes of
 * `arena` at the given offsets, IPv4 as ::ffff:a.b.c.d; protocol is 6 for TCP, 17 for UDP.
 *
 * Both questions answer 0 if there is no such entry or it is not translated, minus the kernel's error number if it gave
 * no answer, and write nothing then. An entry goes 120 s after its TCP connection's end, 10 s after a reset, 30 or 120 s
 * after the last datagram. A question takes 4 to 6 µs, never waits for its answer, and allocates nothing.
 */
export interface Conntrack extends Handle {
  /**
   * Where a connection's destination was translated to (kube-proxy, any DNAT): returns the backend's port and writes its
   * address at `outOffset`.
   */
  find(
    protocol: number,
    arena: Uint8Array,
    sourceAddressOffset: number,
    sourcePort: number,
    destinationAddressOffset: number,
    destinationPort: number,
    outOffset: number,
  ): number;
  /**
   * What the client of a connection dialled, and from where, as the server sees it: returns 1 and writes the client's
   * own address, the address it dialled, and their ports as two little-endian u16, 36 bytes, at `outOffset`.
   */
  findOriginal(
    protocol: number,
    arena: Uint8Array,
    serverAddressOffset: number,
    serverPort: number,
    clientAddressOffset: number,
    clientPort: number,
    outOffset: number,
  ): number;
}

interface Addon {
  readonly possibleCpus: number;
  openObject(path: string): BpfObject;
  openRing(object: BpfObject, map: string): Ring;
  openLink(path: string): Link | null;
  detachFilter(ifindex: number, direction: Direction, namespace: string | undefined, priority: number): boolean;
  networkNamespaceCookie(path?: string): bigint;
  enableStats(): Handle;
  openKernelTypes(): KernelTypes;
  openConntrack(): Conntrack;
  askRouting(question: Uint8Array): Buffer;
  giveBackMemory(): void;
  giveBackPages(memory: Uint8Array): void;
}

const native = createRequire(import.meta.url)('../../build/flowspan.node') as Addon;

/** CPUs this kernel may ever have: how many values an entry of a per-CPU map has. */
export const possibleCpus: number = native.possibleCpus;

/**
 * Opens a BPF object file; nothing reaches the kernel before `load`. An object's `extern CONFIG_HZ __kconfig` is answered
 * from the running clock; other configuration it asks for must be in /proc/config.gz or /boot.
 */
export const openObject: (path: string) => BpfObject = native.openObject;

/** Opens a ring buffer map of a loaded object for reading. */
export const openRing: (object: BpfObject, map: string) => Ring = native.openRing;

/** Opens a link by the path that it was pinned at; null if there is none, or something else. */
export const openLink: (path: string) => Link | null = native.openLink;

/** Takes off what `attachFilter` has put on; false if it is not there, nor the device. */
export const detachFilter: (
  ifindex: number,
  direction: Direction,
  namespace: string | undefined,
  priority: number,
) => boolean = native.detachFilter;

/** The kernel's number of a network namespace, by a path such as /proc/PID/ns/net; left out: this process's. */
export const networkNamespaceCookie: (path?: string) => bigint = native.networkNamespaceCookie;

/** Makes the kernel count run times, of every program on the machine, while the handle is open: about 70 ns per run. */
export const enableStats: () => Handle = native.enableStats;

/** Opens the running kernel's types. */
export const openKernelTypes: () => KernelTypes = native.openKernelTypes;

/**
 * Opens connection tracking; a kernel that has it as a module loads it now. Throws FLOW_NATIVE_CONNTRACK where the kernel
 * has none (EINVAL, EPROTONOSUPPORT) or CAP_NET_ADMIN is missing (EPERM).
 */
export const openConntrack: () => Conntrack = native.openConntrack;

/**
 * Asks rtnetlink in the network namespace of this thread: one message, from `struct nlmsghdr` on, in the machine's byte
 * order. Returns the messages of the answer, back to back, each padded to four bytes; nothing if the kernel only says that it
 * was done. Throws FLOW_NATIVE_NETLINK with the kernel's error number if it refuses.
 */
export const askRouting: (question: Uint8Array) => Buffer = native.askRouting;

/**
 * Gives memory back to the kernel that counts as resident and serves nobody: what glibc keeps between the remains of many
 * short-lived buffers (with another C library nothing), and code and constants of executable and libraries, which come
 * back from the page cache when they are used. Takes some 10 ms.
 */
export const giveBackMemory: () => void = native.giveBackMemory;

/** Gives the whole pages of some memory back to the kernel. Its owner keeps it, and its content is lost. */
export const giveBackPages: (memory: Uint8Array) => void = native.giveBackPages;

/** Names of an enum of the running kernel by value, such as `skb_drop_reason`; empty if it has no such enum. */
export function kernelEnum(name: string): Record<number, string> {
  const types = openKernelTypes();
  try {
    return types.enumValues(name);
  } finally {
    types.close();
  }
}

/** Whether `error` came from this addon. */
export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('FLOW_NATIVE_');
}
