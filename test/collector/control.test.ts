import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { ownerOfCgroup } from '../../collector/src/control/cgroup_path.ts';
import { containerFacts } from '../../collector/src/control/container_names.ts';
import { endpointId } from '../../collector/src/control/identity.ts';
import { LocalIdentity } from '../../collector/src/control/local.ts';
import { OutsideRanges } from '../../collector/src/control/outside.ts';
import { addressBytes, addressText } from '../../collector/src/correlate/address_text.ts';

const ID = '0123456789abcdef'.repeat(4);
const POD = 'kubepods-burstable-pod1f2e3d4c_aaaa_bbbb_cccc_000000000000.slice';

function directory(t: TestContext, files: Record<string, unknown> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'flowspan-control-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return root;
}

test('cgroup paths of every runtime name their container', () => {
  const cases: [string, string][] = [
    [`/system.slice/docker-${ID}.scope`, 'docker'],
    [`/docker/${ID}`, 'docker'],
    [`/docker/${ID}/init`, 'docker'],
    [`/kubepods.slice/kubepods-burstable.slice/${POD}/cri-containerd-${ID}.scope`, 'containerd'],
    [`/kubelet.slice/kubelet-kubepods.slice/${POD}/cri-containerd-${ID}.scope`, 'containerd'],
    [`/kubepods/besteffort/pod1f2e3d4c-aaaa-bbbb-cccc-000000000000/${ID}`, 'unknown'],
    [`/../../kubepods/pod1/${ID}`, 'unknown'],
    [`/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${ID}`, 'unknown'],
    [`/kubepods.slice/${POD}/crio-${ID}.scope`, 'cri-o'],
    [`/machine.slice/libpod-${ID}.scope/container`, 'podman'],
    [`/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`, 'podman'],
    [`/k8s.io/${ID}`, 'containerd'],
    [`/default/${ID}`, 'containerd'],
  ];
  for (const [path, runtime] of cases) {
    const { path: own, ...owner } = ownerOfCgroup(path) as { path: string };
    assert.deepEqual(owner, { kind: 'container', runtime, containerId: ID }, path);
    assert.ok(own.includes(ID));
  }
  assert.deepEqual(ownerOfCgroup('/machine.slice/machine-my\\x2dbox.scope'), {
    kind: 'container',
    runtime: 'machine',
    containerId: 'my-box',
    path: '/machine.slice/machine-my\\x2dbox.scope',
  });
});

test('cgroup paths of systemd name unit and session, others nothing', () => {
  const unit = (name: string, manager = '') => ({ kind: 'unit', unit: name, manager });
  const cases: [string, unknown][] = [
    ['/system.slice/nginx.service', unit('nginx.service')],
    ['/system.slice/nginx.service/worker', unit('nginx.service')],
    ['/system.slice/system-getty.slice/getty@tty1.service', unit('getty@tty1.service')],
    ['/system.slice/system-postgresql.slice/postgresql@15-main.service', unit('postgresql@15-main.service')],
    ['/init.scope', unit('init.scope')],
    [`/system.slice/crio-conmon-${ID}.scope`, unit(`crio-conmon-${ID}.scope`)],
    [
      '/user.slice/user-1000.slice/user@1000.service/app.slice/ssh-agent.service',
      unit('ssh-agent.service', '/user.slice/user-1000.slice/user@1000.service'),
    ],
    ['/user.slice/user-1000.slice/user@1000.service', unit('user@1000.service')],
    ['/user.slice/user-1000.slice/session-3.scope', { kind: 'session', session: '3', uid: 1000 }],
    ['/', { kind: 'process' }],
    ['/user.slice', { kind: 'process' }],
    ['/my/own/group', { kind: 'process' }],
    [`/short/${ID.slice(1)}`, { kind: 'process' }],
  ];
  for (const [path, owner] of cases) {
    const { path: _own, ...found } = { path: '', ...ownerOfCgroup(path) };
    assert.deepEqual(found, owner, path);
  }
  const nested = ownerOfCgroup('/system.slice/nginx.service/a/b');
  assert.ok(nested.kind === 'unit' && nested.path === '/system.slice/nginx.service');
});

test('container names come from where each runtime keeps them', async (t) => {
  const bundle = (annotations: Record<string, string>) => ({ annotations });
  const root = directory(t, {
    [`var/lib/docker/containers/${ID}/config.v2.json`]: { Name: '/web', Config: { Labels: { app: 'shop' } } },
    [`run/containerd/io.containerd.runtime.v2.task/k8s.io/${ID}/config.json`]: bundle({
      'io.kubernetes.cri.container-name': 'cart',
    }),
    [`run/containers/storage/overlay-containers/${ID}/userdata/config.json`]: bundle({
      'io.kubernetes.container.name': 'pay',
    }),
  });
  assert.deepEqual(await containerFacts('docker', ID, root), { name: 'web', labels: { app: 'shop' } });
  assert.equal((await containerFacts('containerd', ID, root))?.name, 'cart');
  assert.equal((await containerFacts('cri-o', ID, root))?.name, 'pay');
  assert.equal((await containerFacts('unknown', ID, root))?.name, 'web');
  assert.equal(await containerFacts('docker', 'f'.repeat(64), root), undefined);
  const podman = directory(t, {
    'var/lib/containers/storage/overlay-containers/containers.json': [{ id: ID, names: ['db'] }],
  });
  assert.equal((await containerFacts('podman', ID, podman))?.name, 'db');
  const broken = directory(t, { [`var/lib/docker/containers/${ID}/config.v2.json`]: '{"Name": "/we' });
  assert.equal(await containerFacts('docker', ID, broken), undefined);
});

test("Docker's socket is asked where its files cannot be read", async (t) => {
  const root = directory(t, { 'run/.keep': '' });
  const server = createServer((request, response) => {
    response.statusCode = request.url === `/containers/${ID}/json` ? 200 : 404;
    response.end(JSON.stringify({ Name: '/api', Config: { Labels: {} } }));
  });
  await new Promise<void>((resolve) => server.listen(join(root, 'run/docker.sock'), resolve));
  t.after(() => server.close());
  assert.deepEqual(await containerFacts('docker', ID, root), { name: 'api', labels: {} });
  assert.equal(await containerFacts('docker', 'e'.repeat(64), root), undefined);
});

test('a container has its id as its name until its runtime has told', async (t) => {
  const root = directory(t, { [`var/lib/docker/containers/${ID}/config.v2.json`]: { Name: '/web' } });
  const local = new LocalIdentity({ machineId: 'm', node: 'n', outside: [], root });
  let told = 0;
  await local.start(() => {
    told += 1;
  });
  const before = local.ofCgroup(`/docker/${ID}`);
  assert.ok(before !== 'process' && before.name === ID.slice(0, 12));
  for (let turns = 0; turns < 100 && told === 0; turns += 1) await wait(10);
  const after = local.ofCgroup(`/docker/${ID}`);
  assert.ok(after !== 'process' && after.name === 'web' && after.id === before.id);
});

test('ids are made of what stays: never of names shown, never of a pid', (t) => {
  const root = directory(t, { 'etc/passwd': 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n' });
  const of = (machineId: string, path: string) => {
    const identity = new LocalIdentity({ machineId, node: 'any', outside: [], root }).ofCgroup(path);
    assert.ok(identity !== 'process');
    return identity;
  };
  assert.equal(of('a', '/system.slice/nginx.service').id, of('a', '/system.slice/nginx.service/x').id);
  assert.notEqual(of('a', '/system.slice/nginx.service').id, of('b', '/system.slice/nginx.service').id);
  assert.equal(of('a', `/docker/${ID}`).id, of('b', `/system.slice/docker-${ID}.scope`).id);
  const session = of('a', '/user.slice/user-1000.slice/session-3.scope');
  assert.deepEqual([session.kind, session.workload, session.name], ['session', 'ann', 'ann session 3']);
  assert.equal(of('a', '/user.slice/user-7.slice/session-3.scope').workload, '7');
  assert.equal(endpointId('unit', 'm', 'nginx.service'), 402972058453835395n);
  assert.notEqual(endpointId('unit', 'ab', 'c'), endpointId('unit', 'a', 'bc'));
});

test('with cgroup v1 beside, the hierarchy that knows tells', () => {
  const local = new LocalIdentity({ machineId: 'm', node: 'n', outside: [] });
  const inContainer = local.ofProcess('/', { executable: 'nginx', cgroupPaths: ['/', '/', `/docker/${ID}`] });
  assert.deepEqual([inContainer.kind, inContainer.containerId], ['container', ID]);
  const plain = local.ofProcess('/', { executable: 'nginx', cgroupPaths: ['/', '/process_api/1'] });
  assert.deepEqual([plain.kind, plain.name], ['process', 'nginx']);
});

test('outside ranges: longest prefix, both families, odd prefix lengths', () => {
  const ranges = new OutsideRanges([
    { name: 'all', cidrs: ['0.0.0.0/0'] },
    { name: 'net', cidrs: ['192.0.2.0/25', '2001:db8::/33'] },
    { name: 'host', cidrs: ['192.0.2.7/32'] },
  ]);
  const of = (address: string) => ranges.nameOf(addressBytes(address));
  assert.deepEqual(['192.0.2.7', '192.0.2.8', '192.0.2.128', '2001:db8:7fff::1', '2001:db8:8000::1'].map(of), [
    'host',
    'net',
    'all',
    'net',
    undefined,
  ]);
  assert.equal(addressText(addressBytes('::ffff:192.0.2.1'), 0), '192.0.2.1');
});
