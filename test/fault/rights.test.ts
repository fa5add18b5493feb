/**
 * The collector runs with the capabilities of its list, which its unit and its container have: with exactly these it
 * records, and each of them that is taken away is missed, and said to be.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { CAPABILITIES } from '../../collector/src/attach/capabilities.ts';
import { PROGRAMS } from '../../collector/src/attach/programs.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace } from '../../deploy/lab/namespace.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { type Program, run, start } from '../../deploy/lab/program.ts';

import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, freePorts, startFlowspan, temporaryFolder, whyNot } from '../support/flowspan.ts';
import { type Rights, withOnlyWritable, withRights } from '../support/rights.ts';
import type { Learned } from './rights_probe.ts';

const ROOT = join(import.meta.dirname, '../..');
const COMMAND = join(ROOT, 'query-api/cli/flowspan.ts');
const PASSWORD = 'of-the-test';
/** Nobody has this number. */
const SERVICE_USER = 64321;
const OTHER_USER = 64322;
const REQUESTS = 20;
const CONTAINER = 'c0ffee'.padEnd(64, '0');

const names = CAPABILITIES.map(({ name }) => name).sort();
const without = (name: string) => names.filter((one) => one !== name);

/** Values of a key in a systemd unit. */
function unitList(unit: string, key: string): string[] {
  const text = readFileSync(join(ROOT, 'deploy/systemd', unit), 'utf8');
  const lines = [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))];
  assert.equal(lines.length, 1, `${unit}: ${key} stands there once`);
  return (lines[0]?.[1] ?? '').split(/\s+/).filter(Boolean).sort();
}

/** Capabilities that the container adds to none, as the kernel names them. */
function podCapabilities(): string[] {
  const pod = parse(readFileSync(join(ROOT, 'deploy/container/collector-pod.yaml'), 'utf8'));
  const { capabilities, runAsUser, privileged, allowPrivilegeEscalation } = pod.spec.containers[0].securityContext;
  assert.deepEqual([capabilities.drop, runAsUser, privileged, allowPrivilegeEscalation], [['ALL'], 0, false, false]);
  return (capabilities.add as string[]).map((name) => `CAP_${name}`).sort();
}

/** What Docker keeps of a container, which only another user may read. */
function keepContainer(root: string): void {
  const folder = join(root, 'var/lib/docker/containers', CONTAINER);
  const file = join(folder, 'config.v2.json');
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify({ Name: '/shop', Config: { Labels: {} } }), { mode: 0o600 });
  for (const path of [file, folder]) chownSync(path, OTHER_USER, OTHER_USER);
  chmodSync(folder, 0o700);
}

/** Where a process could write, as far as mounts let it. What is mounted over is out of reach. */
function writablePlaces(pid: number): string[] {
  const mounts = readFileSync(`/proc/${pid}/mounts`, 'utf8').trim().split('\n');
  const options = new Map(mounts.map((line) => line.split(' ')).map(([, path = '', , flags = '']) => [path, flags]));
  return [...options].filter(([, flags]) => flags.split(',').includes('rw')).map(([path]) => path);
}

test('unit and container have the rights of the list, and store and query API have none', () => {
  assert.deepEqual(unitList('flowspan-collector.service', 'CapabilityBoundingSet'), names);
  assert.deepEqual(unitList('flowspan-collector.service', 'AmbientCapabilities'), names);
  assert.deepEqual(podCapabilities(), names);
  assert.ok(!names.includes('CAP_SYS_ADMIN'));
  for (const unit of ['flowspan-store.service', 'flowspan-query-api.service']) {
    assert.deepEqual([unitList(unit, 'CapabilityBoundingSet'), unitList(unit, 'AmbientCapabilities')], [[], []]);
  }
});

test('no unit is given up, however often its start fails', () => {
  for (const name of ['store', 'collector', 'query-api']) {
    const unit = readFileSync(join(ROOT, `deploy/systemd/flowspan-${name}.service`), 'utf8');
    const section = unit.slice(unit.indexOf('[Unit]'), unit.indexOf('[Service]'));
    assert.match(section, /^StartLimitIntervalSec=0$/m, name);
    assert.match(unit, /^Restart=always$/m, name);
  }
});

const systemd = existsSync('/usr/bin/systemd-analyze') ? false : 'there is no systemd-analyze';

test('systemd understands the units, and finds little exposed', { skip: systemd }, () => {
  const folder = temporaryFolder();
  for (const unit of ['store', 'collector', 'query-api'].map((name) => `flowspan-${name}.service`)) {
    const path = join(folder, unit);
    writeFileSync(path, readFileSync(join(ROOT, 'deploy/systemd', unit), 'utf8').replaceAll('/opt/flowspan', ROOT));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    const ours = verified.stderr.split('\n').filter((line) => line.includes('flowspan'));
    assert.deepEqual([verified.status, ours], [0, []]);
    const exposed = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=30', path]);
    assert.equal(exposed.status, 0, `${unit}\n${exposed.stdout}`);
  }
});

describe('a collector with least rights', { skip: whyNot() ?? false }, () => {
  let store: Flowspan;
  let cgroup: Cgroup;

  before(async () => {
    cgroup = createCgroup();
    store = await startFlowspan({ processes: ['store'], env: { FLOWSPAN_STORE_WRITER_PASSWORD: PASSWORD } });
  });
  after(async () => {
    await store?.stop();
    cgroup?.remove();
  });

  /** Starts a collector of its own data folder and port. */
  async function startCollector(rights: Rights): Promise<{ program: Program; url: string; folders: string[] }> {
    const [port] = await freePorts(1);
    const folders = [temporaryFolder(), pinDirectory()];
    mkdirSync(folders[1] ?? '', { mode: 0o700 });
    for (const path of folders) chownSync(path, rights.user, rights.user);
    const [folder = '', kept = ''] = folders;
    const env = {
      FLOWSPAN_DATA_DIR: folder,
      FLOWSPAN_NODE: `of-user-${rights.user}`,
      FLOWSPAN_COLLECTOR_LISTEN: `127.0.0.1:${port}`,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT: cgroup.path,
      FLOWSPAN_COLLECTOR_PIN_DIR: kept,
      FLOWSPAN_CLICKHOUSE_URL: store.storeUrl,
      FLOWSPAN_STORE_WRITER_PASSWORD: PASSWORD,
    };
    const confined = [...withOnlyWritable(...folders), ...withRights(rights)];
    const program = start({}, [...confined, process.execPath, COMMAND, 'collector'], env);
    return { program, url: `http://127.0.0.1:${port}`, folders };
  }

  for (const [what, rights] of [
    ['unit', { user: SERVICE_USER, capabilities: unitList('flowspan-collector.service', 'AmbientCapabilities') }],
    ['container', { user: 0, capabilities: podCapabilities() }],
  ] as const) {
    test(`as the ${what} starts it, it attaches everything and records, and writes nowhere else`, async () => {
      const { program, url, folders } = await startCollector(rights);
      const has = (text: string) => program.output().includes(text) || program.process.exitCode !== null;
      await eventually('the collector', () => has('"ready"'), 30_000);
      assert.equal(program.process.exitCode, null, program.output());
      const held = readFileSync(`/proc/${program.pid}/status`, 'utf8');
      assert.match(held, new RegExp(`^Uid:\t${rights.user}\t${rights.user}\t`, 'm'));
      const mask = CAPABILITIES.reduce((sum, { bit }) => sum | (1n << BigInt(bit)), 0n);
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) {
        assert.match(held, new RegExp(`^${set}:\t${mask.toString(16).padStart(16, '0')}$`, 'm'));
      }
      const status = (await (await fetch(`${url}/status`)).json()) as { programs: { attached: boolean }[] };
      assert.equal(status.programs.filter(({ attached }) => attached).length, PROGRAMS.length, program.output());
      assert.match(program.output(), /^capabilities +ok /m);
      assert.deepEqual(writablePlaces(program.pid).sort(), folders.toSorted());
      assert.equal(readdirSync(folders[1] ?? '').length, 1, 'counters of open connections outlive it');

      const stored = async () => {
        const sql = `SELECT count() AS c FROM requests WHERE node = 'of-user-${rights.user}' AND http_path LIKE '/ping%'`;
        return Number((await store.query<{ c: string }>(sql))[0]?.c);
      };
      await run({ cgroup }, ['curl', '-s', '-o', '/dev/null', `${store.storeUrl}/ping?[1-${REQUESTS}]`]);
      await eventually(`${REQUESTS} requests`, async () => (await stored()) === REQUESTS, 30_000);

      const refused = await fetch(`${url}/metrics/bpf`);
      assert.equal(refused.status, 503);
      assert.match(await refused.text(), /run time .*sysctl kernel\.bpf_stats_enabled=1; or .* CAP_SYS_ADMIN/);
      await program.stop();
      assert.equal(program.process.exitCode, 0, program.output());
    });
  }

  test('it does not start without what it cannot do without, and names it', async () => {
    const required = CAPABILITIES.filter((one) => one.required);
    const trials = required.map(async ({ name }) => {
      const { program } = await startCollector({ user: 0, capabilities: without(name) });
      await eventually(`the end without ${name}`, () => program.process.exitCode !== null, 30_000);
      assert.equal(program.process.exitCode, 1, program.output());
      assert.match(
        program.output(),
        new RegExp(`FLOW_ATTACH_CAPABILITIES: the collector runs without ${name}\\. Run it`),
      );
    });
    await Promise.all(trials);
    assert.ok(required.length > 0);
  });

  test('each that it can do without is missed', async () => {
    const [port = 0] = await freePorts(1);
    const folder = temporaryFolder();
    const namespace = createNamespace();
    keepContainer(folder);
    const command = ['redis-server', '--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--dir', '/tmp'];
    const server = start({ namespace }, [...withRights({ user: OTHER_USER, capabilities: [] }), ...command]);
    const learn = async (capabilities: readonly string[]): Promise<Learned> => {
      const probe = [join(import.meta.dirname, 'rights_probe.ts'), `${server.pid}`, `${port}`, folder, CONTAINER];
      return JSON.parse(await run({}, [...withRights({ user: 0, capabilities }), process.execPath, ...probe]));
    };
    try {
      await eventually('the server', () => server.output().includes('Ready to accept'));
      const whole = await learn(names);
      assert.match(whole.executable, /^redis-/);
      const { listens, resides, container, conntrack } = whole;
      assert.deepEqual([listens, resides, container, conntrack], [true, true, 'shop', true]);
      const unseen = { ...whole, executable: '', listens: false, resides: false };
      assert.deepEqual(await learn(without('CAP_SYS_PTRACE')), unseen);
      assert.deepEqual(await learn(without('CAP_NET_ADMIN')), { ...whole, conntrack: false });
      assert.deepEqual(await learn(without('CAP_DAC_READ_SEARCH')), { ...whole, listens: false, container: '' });
    } finally {
      await server.stop();
      namespace.remove();
    }
  });

  test('each that it can do without is said to be missed', async () => {
    const optional = CAPABILITIES.filter(({ required }) => !required);
    const trials = optional.map(async ({ name, missing }) => {
      const { program } = await startCollector({ user: 0, capabilities: without(name) });
      await eventually(`a collector without ${name}`, () => program.output().includes('"watching"'), 30_000);
      assert.match(program.output(), new RegExp(`^capabilities +limited +.*not ${name}$`, 'm'));
      assert.ok(program.output().includes(missing), program.output());
      await program.stop();
    });
    await Promise.all(trials);
    assert.ok(optional.length > 0);
  });
});
