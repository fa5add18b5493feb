/** What outlives a process: links and programs with a name, programs on devices of other namespaces, of maps, in arrays. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type BpfObject,
  detachFilter,
  enableStats,
  networkNamespaceCookie,
  openLink,
  openObject,
} from '../../collector/native/addon.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { removeNow } from '../../deploy/lab/registry.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { nativeError, u32, withProbe } from './probe.ts';

const DATAPLANE = join(import.meta.dirname, '../../build/bpf/dataplane.bpf.o');
const LOADED = ['peer_ingress', 'redirect_message', 'redirect_take'];
const LOOPBACK = 1;

let cgroup: Cgroup;
let namespace: Namespace;
let pins: string;

before(() => {
  cgroup = createCgroup();
  namespace = createNamespace();
  pins = pinDirectory();
  mkdirSync(pins);
});
after(() => {
  removeNow('folder', pins);
  namespace.remove();
  cgroup.remove();
});

async function withDataplane(work: (object: BpfObject) => void | Promise<void>): Promise<void> {
  const object = openObject(DATAPLANE);
  try {
    for (const { name } of object.programs()) object.setAutoload(name, LOADED.includes(name));
    object.load();
    await work(object);
  } finally {
    object.close();
  }
}

/** Names of the filters on devices of the namespace, as bpftool sees them. */
function filters(): string[] {
  const told = JSON.parse(namespace.run('bpftool', '-j', 'net', 'show')) as { tc: { name: string }[] }[];
  return told.flatMap(({ tc }) => tc.map(({ name }) => name.replace(/:.*/, '')));
}

/** How often a program runs while a packet comes in at the namespace's loopback. */
function runsOfAPacket(object: BpfObject, name: string): number {
  const stats = enableStats();
  const runs = () => Number(object.programStats().find((program) => program.name === name)?.runCount);
  const before = runs();
  namespace.run('bash', '-c', 'echo > /dev/udp/127.0.0.1/9');
  const counted = runs() - before;
  stats.close();
  return counted;
}

const programOf = (object: BpfObject, name: string) =>
  object.programStats().find((program) => program.name === name)?.id;

test('a link that was given a name outlives its object, and takes another program', async () => {
  const path = join(pins, 'link');
  await withProbe((object) => {
    const link = object.attachCgroup('pass_packet', cgroup.path);
    link.pin(path);
    nativeError('FLOW_NATIVE_PIN', () => link.pin(path));
    assert.equal(link.info().cgroupId, cgroup.id);
    assert.equal(link.info().programId, programOf(object, 'pass_packet'));
  });
  await withProbe((object) => {
    const link = openLink(path);
    assert.ok(link !== null, 'it is there');
    assert.equal(link.info().cgroupId, cgroup.id);
    const before = link.info();
    link.update(object, 'pass_packet');
    assert.deepEqual(link.info(), { ...before, programId: programOf(object, 'pass_packet') });
    assert.notEqual(link.info().programId, before.programId);
    nativeError('FLOW_NATIVE_LINK', () => link.update(object, 'walk_numbers'));
    link.close();
    nativeError('FLOW_NATIVE_CLOSED', () => link.info());
  });
  rmSync(path);
  assert.equal(openLink(path), null);
  assert.equal(execFileSync('bpftool', ['cgroup', 'show', cgroup.path], { encoding: 'utf8' }).trim(), '');
});

test('a link to a cgroup says when the cgroup is gone', () =>
  withProbe(async (object) => {
    const gone = createCgroup();
    const link = object.attachCgroup('pass_packet', gone.path);
    gone.remove();
    await eventually('the kernel has let it go', () => link.info().cgroupId === 0n);
  }));

test('what is pinned and no link is none', () =>
  withProbe((object) => {
    object.pinMap('numbers', join(pins, 'map'));
    object.pinProgram('pass_packet', join(pins, 'program'));
    assert.equal(openLink(join(pins, 'map')), null);
    assert.equal(openLink(join(pins, 'program')), null);
  }));

test('a device of another namespace gets a program, this process stays where it is', () =>
  withDataplane((object) => {
    const own = readlinkSync('/proc/thread-self/ns/net');
    const path = `/run/netns/${namespace.name}`;
    const link = object.attachDevice('peer_ingress', LOOPBACK, 'ingress', path);
    assert.equal(link.info().ifindex, LOOPBACK);
    assert.equal(readlinkSync('/proc/thread-self/ns/net'), own);
    assert.equal(runsOfAPacket(object, 'peer_ingress'), 2, 'the datagram, and the word that nobody wants it');
    link.close();
    assert.equal(runsOfAPacket(object, 'peer_ingress'), 0);
    nativeError('FLOW_NATIVE_DEVICE', () => object.attachDevice('peer_ingress', 999, 'ingress', path));
    nativeError('FLOW_NATIVE_DEVICE', () => object.attachDevice('peer_ingress', LOOPBACK, 'ingress', '/nowhere'));
    nativeError('FLOW_NATIVE_DEVICE', () => object.attachDevice('peer_ingress', LOOPBACK, 'ingress', '/etc/hostname'));
    // @ts-expect-error there are two directions
    nativeError('FLOW_NATIVE_ARGUMENT', () => object.attachDevice('peer_ingress', LOOPBACK, 'inward', path));
  }));

test('a link to a device says when the device is gone', () =>
  withDataplane((object) => {
    namespace.run('ip', 'link', 'add', 'short', 'type', 'veth', 'peer', 'name', 'lived');
    const { ifindex } = (JSON.parse(namespace.run('ip', '-j', 'link', 'show', 'short')) as { ifindex: number }[])[0]!;
    const link = object.attachDevice('peer_ingress', ifindex, 'egress', `/run/netns/${namespace.name}`);
    assert.equal(link.info().ifindex, ifindex);
    namespace.run('ip', 'link', 'del', 'short');
    assert.equal(link.info().ifindex, 0);
  }));

test('a filter is put in the place of the one before it, and taken off', () =>
  withDataplane((object) => {
    const path = `/run/netns/${namespace.name}`;
    const attach = () => object.attachFilter('peer_ingress', LOOPBACK, 'ingress', path, 100);
    attach();
    attach();
    assert.deepEqual(filters(), ['peer_ingress']);
    assert.equal(runsOfAPacket(object, 'peer_ingress'), 2, 'the datagram, and the word that nobody wants it');
    assert.equal(detachFilter(LOOPBACK, 'ingress', path, 100), true);
    assert.deepEqual(filters(), []);
    assert.equal(detachFilter(LOOPBACK, 'ingress', path, 100), false);
    assert.equal(detachFilter(999, 'ingress', path, 100), false, 'no such device');
    nativeError('FLOW_NATIVE_DEVICE', () => object.attachFilter('peer_ingress', 999, 'ingress', path, 100));
  }));

test('programs of a map of sockets are replaced, and the map is frozen', () =>
  withDataplane((object) => {
    for (const program of ['redirect_message', 'redirect_take', 'redirect_take'])
      object.attachMap(program, 'redirect_ends');
    nativeError('FLOW_NATIVE_ATTACH', () => object.attachMap('peer_ingress', 'redirect_ends'));
    const map = object.map('redirect_ends');
    map.freeze();
    map.freeze();
    nativeError('FLOW_NATIVE_MAP_ACCESS', () => map.delete(Buffer.alloc(map.keySize)));
  }));

test('an array of programs takes one of another object', () =>
  withDataplane((object) =>
    withDataplane((other) => {
      object.map('redirect_readers').setProgram(0, other, 'redirect_message');
      assert.equal(object.map('redirect_readers').lookup(u32(0))?.readUInt32LE(), programOf(other, 'redirect_message'));
      nativeError('FLOW_NATIVE_MAP_ACCESS', () => object.map('redirect_readers').setProgram(0, other, 'peer_ingress'));
      nativeError('FLOW_NATIVE_MAP_ACCESS', () => object.map('peer_endpoints').setProgram(0, other, 'peer_ingress'));
    }),
  ));

test('a network namespace has a number of its own', () => {
  const own = networkNamespaceCookie();
  assert.equal(networkNamespaceCookie('/proc/self/ns/net'), own);
  assert.notEqual(networkNamespaceCookie(`/run/netns/${namespace.name}`), own);
  nativeError('FLOW_NATIVE_NAMESPACE', () => networkNamespaceCookie('/nowhere'));
});
