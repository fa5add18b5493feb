/** Pods of this node, with cgroups and namespaces of the kernel's. */
import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type LocalPod, LocalPods } from '../../collector/src/control/local_pods.ts';
import type { KindName } from '../../collector/src/control/objects/kinds.ts';
import type { ObjectFollower, ObjectId } from '../../collector/src/control/objects/source.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const UID = '0b6d7c0e-5a0f-4a0f-8a59-0d6b3a6f3c11';
const HASH = 'd3b07384d113edec49eaa6238ad5ff00';
const ID: ObjectId = { kind: 'Pod', namespace: 'shop', name: 'web' };
const LABELS = { app: 'web' };

describe('pods of this node', () => {
  let mount: Cgroup;
  let kubepods: Cgroup;
  let namespace: Namespace;
  let other: Namespace;
  before(() => {
    mount = createCgroup();
    kubepods = createCgroup(mount.path, 'kubepods');
    [namespace, other] = [createNamespace(), createNamespace()];
    connect(namespace, other);
  });
  after(() => {
    for (const each of [kubepods, mount, namespace, other]) each?.remove();
  });

  const told: ObjectFollower[] = [];
  const followed = (): { pods: LocalPods; follower: ObjectFollower; changes: () => number } => {
    const pods = new LocalPods({ node: 'here', mount: mount.path });
    const kinds: KindName[][] = [];
    pods.follow({
      follow(names, follower) {
        kinds.push([...names]);
        told.push(follower);
      },
    });
    assert.deepEqual(kinds, [['Pod']]);
    let count = 0;
    pods.onChange(() => {
      count += 1;
    });
    return { pods, follower: told.pop() as ObjectFollower, changes: () => count };
  };
  const pod = (spec: object = {}, metadata: object = {}, status: object = {}) => ({
    metadata: { uid: UID, labels: LABELS, ...metadata },
    ...{ spec: { nodeName: 'here', ...spec }, status },
  });
  const only = (pods: LocalPods): LocalPod | undefined => [...pods.pods][0];

  it('are told with the cgroups that were there, and those that are made', () => {
    const own = createCgroup(kubepods.path, `pod${UID}`);
    const { pods, follower, changes } = followed();
    follower.take(ID, pod());
    const cgroups = [{ id: own.id, level: 2, path: `/kubepods/pod${UID}` }];
    assert.deepEqual(only(pods), {
      ...{ uid: UID, objectUid: UID, namespace: 'shop', name: 'web', labels: LABELS, annotations: {} },
      hostNetwork: false,
      ...{ cgroups, netns: undefined, devices: [] },
    });
    const again = changes();
    follower.take(ID, pod());
    assert.equal(changes(), again, 'what is as it was is no change');
    own.remove();
    pods.cgroup(`/kubepods/pod${UID}`, 'removed');
    assert.equal(pods.seesRoot, false, 'it is a cgroup of its own');
    assert.deepEqual(only(pods)?.cgroups, []);
    const path = `/kubepods/burstable/pod${UID}`;
    mkdirSync(join(mount.path, path), { recursive: true });
    pods.cgroup(path, 'made');
    assert.deepEqual(only(pods)?.cgroups[0]?.id, statSync(join(mount.path, path), { bigint: true }).ino);
    rmdirSync(join(mount.path, path));
    rmdirSync(join(mount.path, '/kubepods/burstable'));
  });

  it('are not those of other nodes, nor those that came to their end', () => {
    const { pods, follower, changes } = followed();
    follower.take(ID, pod({ nodeName: 'there' }));
    assert.equal(changes(), 0);
    follower.take(ID, pod());
    assert.equal([...pods.pods].length, 1);
    follower.take(ID, pod({}, {}, { phase: 'Failed' }));
    assert.deepEqual([[...pods.pods].length, changes()], [0, 2]);
    follower.take(ID, pod());
    follower.delete(ID, {});
    assert.deepEqual([[...pods.pods].length, changes()], [0, 4]);
  });

  it('have the UID that the node knows them by', () => {
    const own = createCgroup(kubepods.path, `pod${HASH}`);
    const { pods, follower } = followed();
    follower.take(ID, pod({}, { annotations: { 'kubernetes.io/config.hash': HASH } }));
    assert.deepEqual([only(pods)?.uid, only(pods)?.cgroups[0]?.id], [HASH, own.id]);
    own.remove();
  });

  it('have the network of a process in them, until it is gone', async () => {
    const own = createCgroup(kubepods.path, `pod${UID}`);
    const container = createCgroup(own.path);
    const { pods, follower, changes } = followed();
    follower.take(ID, pod());
    pods.tick(0);
    assert.equal(only(pods)?.netns, undefined);
    const program = start({ namespace, cgroup: container }, ['sleep', '60']);
    pods.cgroup(container.path.slice(mount.path.length), 'made');
    const network = await eventually('the network', () => only(pods)?.netns);
    assert.equal(network.inode, statSync(`/proc/${program.process.pid}/ns/net`, { bigint: true }).ino);
    assert.deepEqual(
      only(pods)?.devices.map(({ kind }) => kind),
      ['veth'],
    );
    const settled = changes();
    pods.tick(performance.now() + 20_000);
    assert.equal(changes(), settled, 'looking again changes nothing');
    await program.stop();
    pods.tick(performance.now() + 40_000);
    assert.deepEqual([only(pods)?.netns, only(pods)?.devices], [undefined, []]);
    for (const each of [container, own]) each.remove();
  });

  it("have none where it is the node's", () => {
    const own = createCgroup(kubepods.path, `pod${UID}`);
    const program = start({ cgroup: own }, ['sleep', '60']);
    const { pods, follower } = followed();
    follower.take(ID, pod());
    pods.tick(0);
    assert.deepEqual([only(pods)?.netns, only(pods)?.devices], [undefined, []]);
    program.process.kill('SIGKILL');
    own.remove();
  });
});
