/** What this machine must offer before anything is loaded: kernel, types, capabilities, cgroup v2, lockdown. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { CAPABILITIES, type Capability, SYS_ADMIN } from './capabilities.ts';
import { AttachError } from './error.ts';
import { KERNEL_FLOOR } from './programs.ts';

/** One thing that was looked at. */
export interface HostCheck {
  readonly name: 'kernel' | 'types' | 'capabilities' | 'cgroup' | 'lockdown';
  readonly ok: boolean;
  /** What was found, in words. */
  readonly found: string;
  /** What is lost by it; empty when nothing is. */
  readonly missing: string;
}

/** This machine as far as attaching is concerned. */
export interface Host {
  /** Kernel release, such as `6.1.0-28-cloud-amd64`. */
  readonly kernel: string;
  /** Directory whose sockets are watched: the root of the cgroup v2 mount unless configured otherwise. */
  readonly cgroupRoot: string;
  readonly checks: readonly HostCheck[];
}

/** The texts that the checks judge; `readHostFacts` reads them from this machine. */
export interface HostFacts {
  readonly release: string;
  /** Whether /sys/kernel/btf/vmlinux is there. */
  readonly types: boolean;
  /** /proc/self/status. */
  readonly status: string;
  /** /proc/self/mounts. */
  readonly mounts: string;
  /** /sys/kernel/security/lockdown; undefined where the kernel or the mount has none. */
  readonly lockdown: string | undefined;
  /** Inode number of a directory: 1 for the root of the cgroup v2 tree. Undefined if it is not there. */
  inode(path: string): bigint | undefined;
}

/** The root of the cgroup v2 tree is inode 1 of its filesystem. */
const CGROUP_ROOT_INODE = 1n;

/** Reads this machine's facts. */
export function readHostFacts(): HostFacts {
  const lockdown = '/sys/kernel/security/lockdown';
  return {
    release: release(),
    types: existsSync('/sys/kernel/btf/vmlinux'),
    status: readFileSync('/proc/self/status', 'utf8'),
    mounts: readFileSync('/proc/self/mounts', 'utf8'),
    lockdown: existsSync(lockdown) ? readFileSync(lockdown, 'utf8') : undefined,
    inode: (path) => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino,
  };
}

/** Whether kernel release `found` is `floor` or later; compares major and minor number. */
export function kernelAtLeast(found: string, floor: string): boolean {
  const [major = 0, minor = 0] = found.split(/[.-]/, 2).map(Number);
  const [floorMajor = 0, floorMinor = 0] = floor.split('.').map(Number);
  return major > floorMajor || (major === floorMajor && minor >= floorMinor);
}

/** Directory of the first cgroup v2 mount, or undefined. Spaces in paths are written \040 there. */
export function findCgroupMount(mounts: string): string | undefined {
  const fields = mounts.split('\n').map((line) => line.split(' '));
  const path = fields.find(([, , type]) => type === 'cgroup2')?.[1];
  return path?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function checkKernel(facts: HostFacts): HostCheck {
  if (!kernelAtLeast(facts.release, KERNEL_FLOOR)) {
    throw new AttachError(
      'FLOW_ATTACH_KERNEL',
      `Linux ${facts.release} is older than ${KERNEL_FLOOR}`,
      `Run the collector on Linux ${KERNEL_FLOOR} or later.`,
    );
  }
  return { name: 'kernel', ok: true, found: `Linux ${facts.release}`, missing: '' };
}

function checkTypes(facts: HostFacts): HostCheck {
  if (!facts.types) {
    throw new AttachError(
      'FLOW_ATTACH_TYPES',
      'the kernel does not show its types: /sys/kernel/btf/vmlinux is not there',
      'Run a kernel built with CONFIG_DEBUG_INFO_BTF, and mount /sys if this is a container.',
    );
  }
  return { name: 'types', ok: true, found: '/sys/kernel/btf/vmlinux', missing: '' };
}

function checkCapabilities(facts: HostFacts): HostCheck {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(facts.status)?.[1] ?? '0'}`);
  const holds = ({ bit }: { bit: number }) => ((effective >> BigInt(bit)) & 1n) === 1n;
  const included: readonly string[] = holds(SYS_ADMIN) ? SYS_ADMIN.includes : [];
  const names = (capabilities: readonly Capability[]) => capabilities.map(({ name }) => name).join(', ');
  const lacking = CAPABILITIES.filter((one) => !holds(one) && !included.includes(one.name));
  const refused = lacking.filter(({ required }) => required);
  if (refused.length > 0) {
    throw new AttachError(
      'FLOW_ATTACH_CAPABILITIES',
      `the collector runs without ${names(refused)}`,
      `Run it as root, or give it ${names(CAPABILITIES)}, as deploy/systemd/flowspan-collector.service does.`,
    );
  }
  const held = names(CAPABILITIES.filter((one) => !lacking.includes(one)));
  return {
    name: 'capabilities',
    ok: lacking.length === 0,
    found: lacking.length === 0 ? held : `${held}; not ${names(lacking)}`,
    missing: lacking.map(({ missing }) => missing).join('; '),
  };
}

function checkCgroup(facts: HostFacts, root: string): HostCheck {
  const inode = facts.inode(root);
  if (inode === undefined) {
    throw new AttachError(
      'FLOW_ATTACH_CGROUP',
      `cgroup directory ${root} is not there`,
      'Set collector.cgroup_root to a directory on the cgroup v2 mount, or leave it out.',
    );
  }
  if (inode === CGROUP_ROOT_INODE) return { name: 'cgroup', ok: true, found: root, missing: '' };
  return {
    name: 'cgroup',
    ok: false,
    found: `${root}, which is not the root of the cgroup v2 tree`,
    missing: 'requests and UDP flows of sockets made outside it',
  };
}

function checkLockdown(facts: HostFacts): HostCheck {
  const mode = facts.lockdown === undefined ? 'none' : /\[(\w+)\]/.exec(facts.lockdown)?.[1];
  if (mode === 'confidentiality') {
    throw new AttachError(
      'FLOW_ATTACH_LOCKDOWN',
      'the kernel is locked down in confidentiality mode, in which programs cannot read kernel memory',
      'Boot with lockdown=integrity or without lockdown.',
    );
  }
  return { name: 'lockdown', ok: true, found: mode ?? 'unknown', missing: '' };
}

/**
 * Checks this machine.
 * @param cgroupRoot directory to watch instead of the root of the cgroup v2 mount
 * @throws AttachError FLOW_ATTACH_KERNEL, _TYPES, _CAPABILITIES, _CGROUP or _LOCKDOWN: the collector cannot work here
 */
export function checkHost(cgroupRoot?: string, facts: HostFacts = readHostFacts()): Host {
  const kernel = checkKernel(facts);
  const types = checkTypes(facts);
  const lockdown = checkLockdown(facts);
  const capabilities = checkCapabilities(facts);
  const root = cgroupRoot ?? findCgroupMount(facts.mounts);
  if (root === undefined) {
    throw new AttachError(
      'FLOW_ATTACH_CGROUP',
      'cgroup v2 is not mounted',
      "Mount it, beside cgroup v1 if that is in use: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified. In a container, show it the host's /sys/fs/cgroup.",
    );
  }
  const checks = [kernel, types, capabilities, checkCgroup(facts, root), lockdown];
  return { kernel: facts.release, cgroupRoot: root, checks };
}
