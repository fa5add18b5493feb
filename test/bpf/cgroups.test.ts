/** cgroups as the kernel side tells them: begun and ended, before what happens in them, by paths of any length. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cgroups } from '../../collector/src/correlate/cgroups.ts';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { createScene, PORT, PORT_SEEN, peerCommand, type Scene } from './scene.ts';

/** A hierarchy of cgroup v1 in which this process stands at the root; empty if there is none. */
const [V1 = ''] = ['pids', 'systemd', 'freezer'].map((name) => `/sys/fs/cgroup/${name}`).filter(isV1);

function isV1(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${path} cgroup `);
}

const idOf = (path: string): bigint => statSync(path, { bigint: true }).ino;

describe('cgroups', () => {
  let scene: Scene;
  before(async () => {
    scene = await createScene();
  });
  after(() => scene.end());

  /** Makes directories within one another, and takes them away again; @returns the innermost's path and id */
  function within(parent: string, names: readonly string[], use = (_innermost: string) => {}): [string, bigint] {
    const made: string[] = [];
    let path = parent;
    for (const name of names) {
      path = join(path, name);
      mkdirSync(path);
      made.push(path);
    }
    const id = idOf(path);
    try {
      use(path);
    } finally {
      for (const each of made.reverse()) rmdirSync(each);
    }
    return [path, id];
  }

  const told = (id: bigint) => scene.watcher.wait({ cgroup_id: id }, 2);

  it('are told when they begin and end', async () => {
    const [path, id] = within(scene.cgroup.path, ['inner']);
    const changes = await told(id);
    assert.deepEqual(
      changes.map((change) => change.cgroup_change),
      ['created', 'removed'],
    );
    for (const change of changes) assert.ok(path.endsWith(`${change.path}`));
  });

  it('have their whole path where nodes are nested in containers under systemd', async () => {
    const slices = ['kubelet', 'kubepods', 'besteffort', 'pod01234567_89ab_cdef_0123_456789abcdef'];
    const [pod, ...rest] = slices.map((_, depth) => `${slices.slice(0, depth + 1).join('-')}.slice`).reverse();
    const container = `cri-containerd-${'0123456789abcdef'.repeat(4)}.scope`;
    const node = `docker-${'fedcba9876543210'.repeat(4)}.scope`;
    const [path, id] = within(scene.cgroup.path, [node, ...rest.reverse(), pod!, container]);
    const [created, removed] = await told(id);
    assert.ok(`${created?.path}`.length > 255, `${created?.path}`.length.toString());
    assert.ok(path.endsWith(`${created?.path}`));
    assert.equal(removed?.path, created?.path);
    assert.equal(created?.length, BigInt(32 + `${created?.path}`.length), 'no more travels than there is');
  });

  it('whose path is longer than the kernel tells are found in the tree', async () => {
    const names = Array.from({ length: 6 }, (_, depth) => `${depth}`.repeat(200));
    const cgroups = new Cgroups(scene.cgroup.path);
    const [path, id] = within(scene.cgroup.path, names, (innermost) => {
      assert.equal(cgroups.pathOf(Number(idOf(innermost)), 0), innermost.slice(scene.cgroup.path.length));
    });
    const [created] = await told(id);
    assert.equal(created?.path_length, 1023n, 'as much as has room, which says that it may be cut');
    assert.ok(path.includes(`${created?.path}`.slice(1)));
  });

  it('are told before anything of what happens in them', async () => {
    const inner = createCgroup(scene.cgroup.path);
    const client = start({ ...scene.client, cgroup: inner }, peerCommand('say', scene.address.ipv4, PORT, 'echo'));
    await scene.watcher.wait({ flow_state: 'opened', owner_cgroup_id: inner.id });
    const all = scene.watcher.seen({});
    const created = all.findIndex(({ cgroup_id }) => cgroup_id === inner.id);
    const used = all.findIndex((row) => row.owner_cgroup_id === inner.id || row.socket_cgroup_id === inner.id);
    assert.ok(created >= 0 && created < used, `${created} before ${used}`);
    await client.stop();
    inner.remove();
  });

  it('of version 1 are not told, and what runs in them has its place in version 2', { skip: V1 === '' }, async () => {
    const name = `flowspan-test-${process.pid}`;
    const [v1] = within(V1, [name]);
    await told(within(scene.cgroup.path, ['after'])[1]);
    assert.ok(!scene.watcher.seen({}).some(({ path }) => `${path}`.includes(name)));
    // A runtime that knows version 1 only leaves its processes at the root of version 2.
    const place = { path: v1, id: 0n, remove: () => {} };
    mkdirSync(v1);
    const client = start(
      { namespace: scene.client.namespace, cgroup: place },
      peerCommand('say', scene.address.ipv4, PORT, 'hold'),
    );
    try {
      const [row] = await scene.watcher.wait({
        flow_state: 'opened',
        pid: BigInt(client.pid),
        destination_port: PORT_SEEN,
      });
      assert.equal(row?.owner_cgroup_id, 1n, 'the root');
      assert.match(readFileSync(`/proc/${client.pid}/cgroup`, 'utf8'), new RegExp(v1.slice(V1.length)));
    } finally {
      await client.stop();
      await eventually('the end of its last process', () => readFileSync(join(v1, 'cgroup.procs'), 'utf8') === '');
      rmdirSync(v1);
    }
  });
});
