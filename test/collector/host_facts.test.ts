import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { pino } from 'pino';
import { LocalIdentity } from '../../collector/src/control/local.ts';
import { addressText } from '../../collector/src/correlate/address_text.ts';
import { Cgroups } from '../../collector/src/correlate/cgroups.ts';
import { Endpoints } from '../../collector/src/correlate/endpoints.ts';
import { FingerprintTable } from '../../collector/src/correlate/fingerprint_table.ts';
import {
  findListeners,
  parseLocalAddresses,
  parseLocalAddresses6,
  parseSockets,
  procAddress,
} from '../../collector/src/correlate/listeners.ts';
import { cgroupPaths, Executables, readProcess } from '../../collector/src/correlate/processes.ts';
import { holdDirectory } from '../../collector/src/data_dir.ts';
import { StateFiles } from '../../collector/src/state_files.ts';

function directory(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'flowspan-host-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

test('a tree of cgroups is walked, and walked again for an id that is not in it', (t) => {
  const root = directory(t);
  mkdirSync(join(root, 'system.slice/nginx.service'), { recursive: true });
  const cgroups = new Cgroups(root);
  cgroups.walk(0);
  const id = (path: string) => statSync(join(root, path)).ino;
  assert.equal(cgroups.pathOf(id('system.slice/nginx.service'), 0), '/system.slice/nginx.service');
  assert.equal(cgroups.pathOf(id(''), 0), '/');
  mkdirSync(join(root, 'late'));
  assert.equal(cgroups.pathOf(id('late'), 10), undefined);
  assert.equal(cgroups.pathOf(id('late'), 1e9), '/late');
  cgroups.add(1, '/told', 5n);
  assert.deepEqual([cgroups.pathOf(1, 2000), cgroups.begunNs(1)], ['/told', 5n]);
});

test('a process is read while it lives', (t) => {
  const child = spawn('sleep', ['30']);
  t.after(() => child.kill());
  const found = readProcess(child.pid!);
  assert.equal(found?.executable, 'sleep');
  assert.equal(readProcess(2 ** 30), undefined);
  assert.deepEqual(cgroupPaths('4:memory:/m\n1:name=systemd:/s\n0::/two\n'), ['/two', '/m', '/s']);
});

test('commands are remembered by cgroup', () => {
  const known = new Executables();
  known.learn('/', 'MainThread', 'node');
  assert.deepEqual(
    [known.of('/', 'MainThread'), known.of('/x', 'MainThread'), known.of('/', 'curl')],
    ['node', 'MainThread', 'curl'],
  );
});

test('listening sockets are found with their process and namespace', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const { listeners, residences } = await findListeners();
  const own = listeners.find((listener) => listener.port === port && listener.protocol === 6);
  assert.ok(own);
  assert.ok(own.pids.includes(process.pid));
  assert.equal(addressText(own.address, 0), '127.0.0.1');
  assert.equal(`net:[${own.netns}]`, readlinkSync('/proc/self/ns/net'));
  assert.ok(residences.find((one) => one.netns === own.netns)!.pids.length > 0);
});

test('the texts of procfs are read right', () => {
  assert.equal(addressText(procAddress('0100007F'), 0), '127.0.0.1');
  assert.equal(addressText(procAddress('00000000'), 0), '::');
  assert.equal(addressText(procAddress('B80D0120000000000000000001000000'), 0), '2001:db8::1');
  const tcp = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1',
    '   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4243 1',
  ].join('\n');
  assert.deepEqual(
    parseSockets(tcp, 'tcp').map(({ port, inode }) => [port, inode]),
    [[8080, '4242']],
  );
  assert.deepEqual(parseSockets(tcp, 'udp'), []);
  const inet6 =
    'fd00000000000000000000000000000a 02 40 00 80 eth0\nfe800000000000000000000000000001 02 40 20 80 eth0\n';
  assert.deepEqual(
    parseLocalAddresses6(inet6).map((address) => addressText(address, 0)),
    ['fd00::a'],
  );
  const trie = readFileSync('/proc/self/net/fib_trie', 'latin1');
  assert.ok(!parseLocalAddresses(trie).some((address) => addressText(address, 0).startsWith('127.')));
  const addresses = parseLocalAddresses(
    '  |-- 10.0.0.7\n     /32 host LOCAL\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 10.0.0.9\n     /24 link UNICAST\n',
  );
  assert.deepEqual(
    addresses.map((address) => addressText(address, 0)),
    ['10.0.0.7'],
  );
});

test('fingerprints are found again, and the oldest of a full bucket goes', () => {
  const table = new FingerprintTable(8, 1);
  const { values } = table;
  for (let high = 1; high <= 4; high += 1) values[table.claim(0, high, high)] = high;
  assert.equal(values[table.find(0, 1)], 1);
  table.claim(0, 1, 10);
  const place = table.claim(0, 5, 11);
  assert.equal(values[place], 0);
  assert.equal(table.find(0, 2), -1);
  assert.ok(table.find(0, 1) !== -1 && table.find(0, 3) !== -1);
  assert.equal(table.find(1, 1), -1);
  table.clear();
  assert.equal(table.find(0, 1), -1);
});

test('an endpoint ends and begins again as another interval; names may come later', () => {
  const local = new LocalIdentity({ machineId: 'm', node: 'n', outside: [] });
  const nginx = local.ofProcess('/', { executable: 'nginx', cgroupPaths: [] });
  const endpoints = new Endpoints(10, new Map([[nginx.id, 5n]]));
  const number = endpoints.number(nginx, 0, 100n);
  assert.equal(endpoints.takeChanged()[0]!.validFromNs, 5n);
  assert.equal((BigInt(endpoints.idHigh[number]!) << 32n) | BigInt(endpoints.idLow[number]!), nginx.id);
  endpoints.endCgroup('/', 200n);
  assert.equal(endpoints.takeChanged()[0]!.validToNs, 200n);
  assert.deepEqual(endpoints.validity(), new Map());
  assert.equal(endpoints.number(nginx, 0, 300n), number);
  const [again] = endpoints.takeChanged();
  assert.deepEqual([again!.validFromNs, again!.validToNs], [300n, undefined]);
  endpoints.number({ ...nginx, name: 'renamed' }, 0, 400n);
  assert.equal(endpoints.takeChanged()[0]!.identity.name, 'renamed');
  for (let index = 0; index < 20; index += 1)
    endpoints.number(local.ofProcess('/', { executable: `e${index}`, cgroupPaths: [] }), 0, 1n);
  assert.equal(endpoints.count, 10);
});

test('more endpoints than the first room for ids', () => {
  const local = new LocalIdentity({ machineId: 'm', node: 'n', outside: [] });
  const endpoints = new Endpoints(1000);
  for (let index = 0; index < 600; index += 1) {
    const identity = local.ofProcess('/', { executable: `e${index}`, cgroupPaths: [] });
    const number = endpoints.number(identity, 0, 1n);
    assert.equal((BigInt(endpoints.idHigh[number]!) << 32n) | BigInt(endpoints.idLow[number]!), identity.id);
  }
});

test('one run tells the next what it knew; after a reboot nothing of it holds', (t) => {
  const state = new StateFiles(directory(t), pino({ level: 'silent' }));
  assert.equal(state.watchedUntil(), undefined);
  state.setWatchedUntil(123n);
  assert.equal(state.watchedUntil(), 123n);
  state.setEndpoints('boot1', new Map([[18446744073709551615n, 7n]]));
  assert.deepEqual(state.endpoints('boot1'), new Map([[18446744073709551615n, 7n]]));
  assert.deepEqual(state.endpoints('boot2'), new Map());
  assert.match(state.machineId(), /^[0-9a-f]{32}$/);
  assert.equal(state.machineId(), state.machineId());
});

test('a data directory has one collector at a time', async (t) => {
  const path = join(directory(t), 'new/data');
  const held = await holdDirectory(path);
  await assert.rejects(holdDirectory(path), { code: 'FLOW_COLLECTOR_RUNNING' });
  held.release();
  (await holdDirectory(path)).release();
  await assert.rejects(holdDirectory('/dev/null/data'), { code: 'FLOW_COLLECTOR_DATA_DIR' });
});
