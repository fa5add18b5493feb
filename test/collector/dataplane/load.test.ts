/** The data plane outlives who loaded it: taken up, replaced without a gap, set aside, removed. On the real kernel. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type BpfMap, openLink, openObject } from '../../../collector/native/addon.ts';
import {
  type DataplaneOptions,
  LoadedDataplane,
  removeDataplane,
} from '../../../collector/src/attach/dataplane/load.ts';
import { DataplanePins } from '../../../collector/src/attach/dataplane/pins.ts';
import { DATAPLANE_PROGRAMS } from '../../../collector/src/attach/dataplane/programs.ts';
import { STEPS } from '../../../collector/src/config_dataplane.ts';
import { compile } from '../../../collector/src/control/policy/compile.ts';
import { PolicyMaps } from '../../../collector/src/control/policy/kernel.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { pinDirectory } from '../../../deploy/lab/pins.ts';
import { start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { builtTestProgram } from '../../native/build.ts';
import { DENY_OUT } from '../policy/support/manifests.ts';
import { model, podOf } from '../policy/support/world.ts';

const OBJECT = join(import.meta.dirname, '../../../build/bpf/dataplane.bpf.o');
const LOOPBACK = 1;
const SECOND_MS = 1000;

const log = { info: () => undefined, error: () => undefined };

describe('the data plane', () => {
  let cgroup: Cgroup;
  let namespace: Namespace;
  const loaded: LoadedDataplane[] = [];
  let pins: DataplanePins;

  before(() => {
    cgroup = createCgroup();
    namespace = createNamespace();
  });
  after(() => {
    namespace.remove();
    cgroup.remove();
  });
  const fresh = () => {
    pins = new DataplanePins(pinDirectory());
  };
  afterEach(() => {
    for (const one of loaded.splice(0)) one.close();
    removeDataplane(pins);
  });

  const load = (options: Partial<DataplaneOptions> = {}): LoadedDataplane => {
    const one = new LoadedDataplane({ cgroupRoot: cgroup.path, steps: STEPS, pins, log, ...options });
    loaded.push(one);
    return one;
  };
  const linkOf = (name: string) => {
    const link = openLink(pins.link(name));
    const info = link?.info();
    link?.close();
    return info;
  };
  const names = (kind: string, steps: readonly string[] = STEPS) =>
    DATAPLANE_PROGRAMS.filter((program) => program.kind === kind && steps.includes(program.step))
      .map(({ name }) => name)
      .toSorted();
  const linked = () =>
    pins
      .links()
      .map(({ name }) => name)
      .toSorted();
  const bytesOf = (map: BpfMap) => [Buffer.alloc(map.keySize, 1), Buffer.alloc(map.valueStride, 2)] as const;

  it('has a list of programs that is the list of the object', () => {
    fresh();
    const object = openObject(OBJECT);
    const built = object.programs().map(({ name }) => name);
    object.close();
    assert.deepEqual(DATAPLANE_PROGRAMS.map(({ name }) => name).toSorted(), built.toSorted());
  });

  it('is attached when it is told to, and stays when who did it is gone', () => {
    fresh();
    const first = load();
    assert.equal(first.isTakenUp, false);
    assert.deepEqual(linked(), []);
    assert.ok(first.programs.every(({ attached }) => !attached));
    first.attach();
    assert.deepEqual(
      first.programs.filter(({ attached }) => !attached),
      [],
    );
    first.close();
    assert.deepEqual(linked(), names('cgroup'));
    assert.equal(linkOf('service_connect4')?.cgroupId, cgroup.id);
    assert.deepEqual(pins.maps(first.layout).toSorted(), openedMaps());
  });

  it('is taken up with what its maps hold, and its links get the new programs', () => {
    fresh();
    const first = load();
    first.attach();
    const map = first.object.map('node_addresses');
    const [key, value] = bytesOf(map);
    map.update(key, value);
    const before = Object.fromEntries(linked().map((name) => [name, linkOf(name)]));
    first.close();
    const second = load();
    assert.equal(second.isTakenUp, true);
    assert.deepEqual(second.object.map('node_addresses').lookup(key), value);
    assert.deepEqual(linkOf('service_connect4'), before.service_connect4, 'nothing is replaced before it is told to');
    second.attach();
    for (const [name, link] of Object.entries(before)) {
      assert.equal(linkOf(name)?.id, link?.id, `${name} is the same link`);
      assert.notEqual(linkOf(name)?.programId, link?.programId, `${name} has another program`);
    }
  });

  it('takes the programs of a step off that is not wanted any more, and leaves the others where they are', () => {
    fresh();
    load().attach();
    const before = linkOf('policy_egress');
    const second = load({ steps: ['policy'] });
    second.attach();
    assert.deepEqual(linked(), names('cgroup', ['policy']));
    assert.equal(linkOf('policy_egress')?.id, before?.id);
  });

  it('lets maps of another layout stand beside its own until its programs are attached', () => {
    fresh();
    const first = load();
    first.attach();
    const [key, value] = bytesOf(first.object.map('node_addresses'));
    first.object.map('node_addresses').update(key, value);
    const before = linkOf('service_connect4');
    const second = load({ objectPath: builtTestProgram('other_dataplane.bpf.o') });
    assert.notEqual(second.layout, first.layout);
    assert.equal(second.isTakenUp, false);
    assert.deepEqual(pins.layouts().toSorted(), [first.layout, second.layout].toSorted());
    assert.deepEqual(linkOf('service_connect4'), before);
    assert.deepEqual(first.object.map('node_addresses').lookup(key), value);
    assert.equal(second.object.map('node_addresses').lookup(key), null);
    second.attach();
    assert.deepEqual(pins.layouts(), [second.layout]);
    assert.equal(linkOf('service_connect4')?.id, before?.id);
    assert.notEqual(linkOf('service_connect4')?.programId, before?.programId);
  });

  it('moves to another cgroup where that is configured', () => {
    fresh();
    load().attach();
    const other = createCgroup();
    load({ cgroupRoot: other.path }).attach();
    assert.deepEqual(linked(), names('cgroup'));
    assert.ok(names('cgroup').every((name) => linkOf(name)?.cgroupId === other.id));
    other.remove();
  });

  it('is completed where a run was killed before it had pinned everything', () => {
    fresh();
    const first = load();
    first.attach();
    const link = openLink(pins.link('policy_egress'));
    link?.pin(pins.newLink('policy_ingress'));
    link?.close();
    pins.removeLink('policy_egress');
    const second = load();
    second.attach();
    assert.deepEqual(linked(), names('cgroup'));
  });

  it('is loaded and nothing kept where it is only tried', () => {
    fresh();
    const tried = load({ pins: undefined });
    tried.attach();
    assert.equal(pins.isEmpty, true);
    assert.equal(linkOf('policy_egress'), undefined);
    assert.deepEqual([...tried.reasons], []);
  });

  it('names devices before and after it is attached, and forgets those that are gone', () => {
    fresh();
    const netns = `/run/netns/${namespace.name}`;
    const device = { netns, ifindex: LOOPBACK };
    const name = `peer_ingress-${namespace.inode}-${LOOPBACK}`;
    const devices = () => linked().filter((one) => one.includes('-'));
    const first = load();
    first.attachDevice('peer_ingress', device);
    first.attachDevice('peer_ingress', { netns, ifindex: 999 });
    assert.deepEqual(devices(), []);
    first.attach();
    assert.deepEqual(devices(), [name]);
    const id = linkOf(name)?.id;
    first.attachDevice('peer_ingress', device);
    assert.equal(linkOf(name)?.id, id, 'once is enough');
    assert.throws(() => first.attachDevice('peer_ingress', { netns, ifindex: 999 }), { code: 'FLOW_NATIVE_DEVICE' });
    namespace.run('ip', 'link', 'add', 'short', 'type', 'veth', 'peer', 'name', 'lived');
    const [{ ifindex } = { ifindex: 0 }] = JSON.parse(namespace.run('ip', '-j', 'link', 'show', 'short')) as {
      ifindex: number;
    }[];
    first.attachDevice('peer_ingress', { netns, ifindex });
    namespace.run('ip', 'link', 'del', 'short');
    load().attach();
    assert.deepEqual(devices(), [name], 'that of the device that is gone is gone');
    first.detachDevice('peer_ingress', device);
    first.detachDevice('peer_ingress', device);
    assert.deepEqual(devices(), []);
  });

  it('is at devices before the cgroup lets nothing in that was not judged there', () => {
    fresh();
    const first = load();
    const device = { netns: `/run/netns/${namespace.name}`, ifindex: LOOPBACK };
    const programs = ['policy_http_ingress', 'http_response_egress'];
    for (const program of programs) first.attachDevice(program, device);
    first.attach();
    const ids = [
      ...programs.map((program) => linkOf(`${program}-${namespace.inode}-${LOOPBACK}`)?.id ?? Number.NaN),
      ...names('cgroup').map((program) => linkOf(program)?.id ?? Number.NaN),
    ];
    // The kernel counts links up as they are made.
    const [ofDevices, ofCgroup] = [ids.slice(0, programs.length), ids.slice(programs.length)];
    assert.ok(Math.max(...ofDevices) < Math.min(...ofCgroup), ids.join(' '));
  });

  it('cannot be kept where there is no BPF filesystem', () => {
    fresh();
    assert.throws(() => load({ pins: new DataplanePins('/proc/nowhere') }), { code: 'FLOW_DATAPLANE_PINS' });
    const folder = temporaryFolder();
    assert.throws(() => load({ pins: new DataplanePins(folder) }), { code: 'FLOW_DATAPLANE_PINS' });
  });

  it('is gone when it is removed', () => {
    fresh();
    const first = load();
    first.attachDevice('peer_ingress', { netns: `/run/netns/${namespace.name}`, ifindex: LOOPBACK });
    first.attach();
    const maps = pins.maps(first.layout).length;
    first.close();
    const { links, maps: removed } = removeDataplane(pins);
    assert.deepEqual([links.length, removed.length], [names('cgroup').length + 1, maps]);
    assert.equal(pins.isEmpty, true);
    assert.deepEqual(removeDataplane(pins), { links: [], maps: [] });
  });

  it('lets nothing through a deny while it is replaced again and again, by another layout, too', async () => {
    fresh();
    const { received, stop } = flood(cgroup);
    try {
      await eventually('datagrams come', () => received() > 100);
      deny(load(), cgroup);
      loaded[0]?.attach();
      await settled(received);
      const before = received();
      for (let round = 0; round < 10; round += 1) {
        const next = load(round % 2 === 0 ? { objectPath: builtTestProgram('other_dataplane.bpf.o') } : {});
        deny(next, cgroup);
        next.attach();
        loaded.shift()?.close();
      }
      assert.equal(received() - before, 0);
      removeDataplane(pins);
      await eventually('without it they come again', () => received() > before + 100);
    } finally {
      await stop();
    }
  });

  function openedMaps(): string[] {
    const object = openObject(OBJECT);
    const maps = object.maps().toSorted();
    object.close();
    return maps;
  }
});

/** What lives in the cgroup may not begin anything. */
function deny({ object }: LoadedDataplane, { id }: Cgroup): void {
  const pod = podOf('x/a');
  const { tables } = compile(model(DENY_OUT), { node: pod.node, nodes: [], pods: [pod] });
  assert.ok(tables !== undefined);
  new PolicyMaps(object).write(tables, () => [{ id, level: 1 }]);
}

const PORT = 4000;

/** Tells how many datagrams have come. */
const SERVER = `let count = 0;
  require('node:dgram').createSocket('udp4').on('message', () => { count += 1; }).bind(${PORT});
  setInterval(() => console.log(count), 20);`;

/** Each datagram is a flow of its own. */
const CLIENT = `const { createSocket } = require('node:dgram');
  setInterval(() => {
    for (let i = 0; i < 5; i++) {
      const socket = createSocket('udp4');
      socket.on('error', () => {});
      socket.send('x', ${PORT}, process.argv[1], () => socket.close());
    }
  }, 1);`;

interface Flood {
  /** Datagrams that have come. */
  received(): number;
  stop(): Promise<void>;
}

/** Datagrams from a cgroup to another network namespace, all the time. */
function flood(cgroup: Cgroup): Flood {
  const [here, there] = [createNamespace(), createNamespace()];
  const { b } = connect(here, there);
  const server = start({ namespace: there }, [process.execPath, '-e', SERVER]);
  const client = start({ namespace: here, cgroup }, [process.execPath, '-e', CLIENT, b.ipv4]);
  return {
    received: () => Number(server.output().trim().split('\n').at(-1)),
    async stop() {
      for (const program of [client, server]) await program.stop();
      for (const namespace of [here, there]) namespace.remove();
    },
  };
}

/** When nothing has come for a second. */
async function settled(received: () => number): Promise<void> {
  let [count, sinceMs] = [received(), performance.now()];
  await eventually('nothing comes any more', () => {
    if (received() !== count) [count, sinceMs] = [received(), performance.now()];
    return performance.now() - sinceMs > SECOND_MS;
  });
}
