/** Programs of the data plane on network devices, of any network namespace; what is there outlives this process. */
import { readdirSync, statSync } from 'node:fs';
import { type BpfObject, detachFilter, isNativeError, openLink } from '../../../native/addon.ts';
import type { Device } from '../../control/dataplane/part.ts';
import type { DataplanePins, PinnedLink } from './pins.ts';
import { DATAPLANE_PROGRAMS } from './programs.ts';

/** linux/errno.h: what a kernel says that knows no links to devices (before 6.6). */
const EINVAL = 22;
/** Filters of ours have priorities from here on, in the order of the table of programs. */
const FIRST_PRIORITY = 0xf510;

const OWN_NAMESPACE = '/proc/self/ns/net';

const inodeOf = (netns: string | undefined): bigint => statSync(netns ?? OWN_NAMESPACE, { bigint: true }).ino;

/** The name of a program at a device. @throws if the network namespace is not there */
const nameOf = (program: string, { netns, ifindex }: Device): string => `${program}-${inodeOf(netns)}-${ifindex}`;

function placeOf(program: string): { direction: 'ingress' | 'egress'; priority: number } {
  const index = DATAPLANE_PROGRAMS.findIndex(({ name }) => name === program);
  return { direction: DATAPLANE_PROGRAMS[index]?.direction ?? 'ingress', priority: FIRST_PRIORITY + index };
}

/**
 * Attaches; does nothing that shows where the same program is there.
 * @throws NativeError FLOW_NATIVE_DEVICE or _PIN, or the error of a network namespace that is not there
 */
export function attachToDevice(object: BpfObject, pins: DataplanePins, program: string, device: Device): void {
  const name = nameOf(program, device);
  const old = openLink(pins.link(name));
  try {
    if (old !== null && old.info().ifindex === device.ifindex) {
      old.update(object, program);
      return;
    }
  } finally {
    old?.close();
  }
  const { direction, priority } = placeOf(program);
  try {
    const link = object.attachDevice(program, device.ifindex, direction, device.netns);
    link.pin(pins.newLink(name));
    link.close();
  } catch (error) {
    if (!isNativeError(error) || error.code !== 'FLOW_NATIVE_DEVICE' || error.errno !== EINVAL) throw error;
    object.attachFilter(program, device.ifindex, direction, device.netns, priority);
    object.pinProgram(program, pins.newLink(name));
  }
  pins.settle(name);
}

/** Detaches; does nothing if it is not there. */
export function detachFromDevice(pins: DataplanePins, program: string, device: Device): void {
  const name = nameOf(program, device);
  const pinned = pins.links().find((link) => link.name === name);
  if (pinned !== undefined) removeFromDevice(pins, pinned, device.netns);
}

/** Takes off what a name stands for. @param netns path of the device's network namespace; left out: it is looked for */
export function removeFromDevice(pins: DataplanePins, pinned: PinnedLink, netns?: string): void {
  const link = openLink(pins.link(pinned.name));
  link?.close();
  if (link === null && pinned.device !== undefined) {
    const path = netns ?? pathOf(pinned.device.netnsInode);
    const { direction, priority } = placeOf(pinned.program);
    // A filter goes with its device, and that with its namespace.
    if (path !== undefined) detachFilter(pinned.device.ifindex, direction, path, priority);
  }
  pins.removeLink(pinned.name);
}

/** Whether a device is gone, and with it what was attached to it. A filter's is not known to be. */
export function isGone(pins: DataplanePins, { name }: PinnedLink): boolean {
  const link = openLink(pins.link(name));
  try {
    return link?.info().ifindex === 0;
  } finally {
    link?.close();
  }
}

/** A path by which a network namespace can be entered: of a process in it. */
function pathOf(inode: bigint): string | undefined {
  const paths = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => `/proc/${pid}/ns/net`);
  return paths.find((path) => {
    try {
      return inodeOf(path) === inode;
    } catch {
      return false;
    }
  });
}
