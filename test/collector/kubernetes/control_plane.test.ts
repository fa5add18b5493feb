/** Identity from a real API server, whose pods are stood for by processes in cgroups named as kubelet names them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../../collector/src/config.ts';
import { endpointId, type Identity, NOBODY_SURE } from '../../../collector/src/control/identity.ts';
import { type Kubernetes, openKubernetes } from '../../../collector/src/control/kubernetes/open.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { readProcess } from '../../../collector/src/correlate/processes.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { type Program, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import type { KubernetesObject } from '../../support/kubernetes/api.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../../support/kubernetes/find.ts';

const NODE = 'node-a';
const NAMESPACE = 'shop';

const template = (name: string) => ({
  metadata: { labels: { app: name } },
  spec: { nodeName: NODE, containers: [{ name: 'main', image: `registry.invalid/${name}:1.0` }] },
});

describe('identity from a real API server', { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let kubernetes: Kubernetes;
  let root: Cgroup;
  const programs: Program[] = [];
  const told = { updated: [] as Identity[], ended: [] as bigint[] };

  before(async () => {
    plane = await startControlPlane({ controllers: true });
    await plane.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    await plane.admin.create({
      ...{ apiVersion: 'v1', kind: 'Node' },
      metadata: { name: NODE, labels: { 'topology.kubernetes.io/zone': 'west' } },
    });
    await plane.admin.patch(`/api/v1/nodes/${NODE}/status`, {
      status: { addresses: [{ type: 'InternalIP', address: '192.0.2.10' }] },
    });
    const config = loadConfig(['--kubernetes-kubeconfig', plane.kubeconfig, '--kubernetes-node-name', NODE], {});
    const opened = openKubernetes(config, pino({ level: 'silent' }));
    assert.ok(opened !== undefined);
    kubernetes = opened;
    const news = { updated: (one: Identity) => told.updated.push(one), ended: (id: bigint) => told.ended.push(id) };
    await kubernetes.identity.start(() => undefined, news);
    await kubernetes.identity.sync();
    await eventually('the first lists', () => kubernetes.watch.synced, 30_000);
    root = createCgroup();
  });

  after(async () => {
    kubernetes?.identity.close();
    await Promise.all(programs.map((program) => program.stop('SIGKILL')));
    for (const cgroup of [...made.values()].reverse()) cgroup.remove();
    root?.remove();
    await plane?.stop();
  });

  const path = (pod: KubernetesObject) => `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}`;

  /** The pod that a controller makes for an app. */
  const podOf = (app: string) =>
    eventually(
      `a pod of ${app}`,
      async () => {
        const { items } = await plane.admin.get(`/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=app%3D${app}`);
        return (items as KubernetesObject[])[0];
      },
      30_000,
    );

  /** A process in the cgroup that kubelet makes for a container of the pod. */
  async function run(uid: string, containerId: string): Promise<Identity | undefined> {
    const levels = ['kubepods', 'besteffort', `pod${uid}`, containerId];
    let cgroup = root;
    for (const name of levels) {
      const known = made.get(`${cgroup.path}/${name}`) ?? createCgroup(cgroup.path, name);
      made.set(known.path, known);
      cgroup = known;
    }
    const program = start({ cgroup }, ['sleep', '600']);
    programs.push(program);
    await eventually('a process in its cgroup', () => readProcess(program.pid)?.cgroupPaths[0]?.endsWith(containerId));
    return ask(program.pid);
  }
  const made = new Map<string, Cgroup>();

  function ask(pid: number): Identity | undefined {
    const process = readProcess(pid);
    assert.ok(process !== undefined);
    return kubernetes.identity.ofProcess(process.cgroupPaths[0] as string, process);
  }

  /** Writes what kubelet would. */
  const giveAddress = (pod: KubernetesObject, address: string, containerId: string) =>
    plane.admin.patch(`${path(pod)}/status`, {
      status: {
        ...{ phase: 'Running', hostIP: '192.0.2.10', podIP: address, podIPs: [{ ip: address }] },
        startTime: new Date().toISOString().replace(/\.\d+Z/, 'Z'),
        conditions: [{ type: 'Ready', status: 'True' }],
        containerStatuses: [
          {
            ...{ name: 'main', image: 'x', imageID: 'x', ready: true, restartCount: 0, started: true },
            containerID: `containerd://${containerId}`,
            state: { running: { startedAt: new Date().toISOString().replace(/\.\d+Z/, 'Z') } },
          },
        ],
      },
    });

  const at = (address: string, ms = Date.now()) => {
    const found = kubernetes.identity.ofAddress(addressBytes(address), ms);
    return found === NOBODY_SURE ? '?' : found?.name;
  };

  it('a pod of a Deployment: process, address, workload, services, container, node', async () => {
    const labels = { matchLabels: { app: 'web' } };
    await plane.admin.create({
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: NAMESPACE } },
      spec: { replicas: 1, selector: labels, template: template('web') },
    });
    await plane.admin.create({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: NAMESPACE } },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    });
    const pod = await podOf('web');
    const id = randomBytes(32).toString('hex');
    assert.equal(
      (await run(pod.metadata.uid, id))?.id,
      endpointId('pod', pod.metadata.uid),
      'known before all that follows',
    );
    await giveAddress(pod, '10.244.1.5', id);
    const known = await eventually('its service', () =>
      told.updated.findLast((one) => one.pod?.uid === pod.metadata.uid && one.pod.services.length > 0),
    );
    assert.deepEqual(
      [known.namespace, known.name, known.workload, known.pod?.workloadKind, known.containerId],
      [NAMESPACE, pod.metadata.name, 'web', 'Deployment', id],
    );
    assert.deepEqual([known.pod?.node, known.pod?.zone, known.pod?.services], [NODE, 'west', ['web']]);
    assert.equal(known.pod?.containers.get(id), 'main');
    assert.equal(known.pod?.images?.get('main'), 'registry.invalid/web:1.0');
    assert.equal(known.labels.app, 'web');
    assert.equal(at('10.244.1.5'), pod.metadata.name);
    assert.equal(at('192.0.2.10'), NODE);
  });

  it('a pod of a CronJob, and a host process beside it', async () => {
    const metadata = { name: 'nightly', namespace: NAMESPACE };
    const spec = template('nightly');
    const jobSpec = { template: { ...spec, spec: { ...spec.spec, restartPolicy: 'Never' } } };
    const cron = await plane.admin.create({
      ...{ apiVersion: 'batch/v1', kind: 'CronJob', metadata },
      spec: { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: jobSpec } },
    });
    const owner = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      name: 'nightly',
      uid: cron.metadata.uid,
      controller: true,
    };
    await plane.admin.create({
      ...{ apiVersion: 'batch/v1', kind: 'Job', spec: jobSpec },
      metadata: { name: 'nightly-1', namespace: NAMESPACE, ownerReferences: [owner] },
    });
    const pod = await podOf('nightly');
    const identity = await eventually('its name', () => {
      const now = kubernetes.identity.ofCgroup(`/kubepods/pod${pod.metadata.uid}/x`);
      return now?.workload === 'nightly' ? now : undefined;
    });
    assert.equal(identity.pod?.workloadKind, 'CronJob');
    const program = start({ cgroup: root }, ['sleep', '600']);
    programs.push(program);
    await eventually('a process in a cgroup', () =>
      readProcess(program.pid)?.cgroupPaths[0]?.endsWith(basename(root.path)),
    );
    assert.equal(ask(program.pid), undefined, `${basename(root.path)} is no pod's`);
  });

  it('an address that is handed on, with pods that are deleted at once', async () => {
    const names: string[] = [];
    const times: { readonly name: string; readonly ms: number }[] = [];
    for (let round = 0; round < 5; round += 1) {
      const pod = await plane.admin.create({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: `short-${round}`, namespace: NAMESPACE } },
        spec: template('short').spec,
      });
      await giveAddress(pod, '10.244.1.9', randomBytes(32).toString('hex'));
      names.push(pod.metadata.name);
      times.push({ name: pod.metadata.name, ms: Date.now() });
      await eventually('news of it', () => kubernetes.identity.cluster.pods.find(pod.metadata.uid) !== 0);
      await plane.admin.delete(path(pod));
    }
    await eventually('news of the last', () => kubernetes.identity.cluster.pods.remembered.pods >= names.length);
    const answers = times.map(({ name, ms }) => ({ name, told: at('10.244.1.9', ms) }));
    for (const { name, told: answer } of answers) assert.ok(answer === name || answer === '?', `${answer} for ${name}`);
  });

  it('what is known stays while the API server is away, and its absence is seen', async () => {
    const web = told.updated.find((one) => one.workload === 'web');
    assert.ok(web !== undefined);
    await plane.stopApiServer();
    assert.equal(at('10.244.1.5'), web.name);
    const asked = () => kubernetes.watch.status().reduce((sum, { requests }) => sum + requests, 0);
    const before = asked();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.ok(asked() - before < 60, `${asked() - before} requests in 3 s`);
    await plane.startApiServer();
    await plane.admin.create({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'after', namespace: NAMESPACE } },
      spec: template('after').spec,
    });
    await eventually(
      'news from after',
      () => kubernetes.watch.status().find(({ resource }) => resource === 'pods')!.objects >= 3,
      40_000,
    );
    assert.equal(at('10.244.1.5'), web.name);
  });
});
