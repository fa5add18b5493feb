/**
 * The data plane of real collectors: it outlives them, however they end; it is handed over from one to the next without a
 * connection lost; it is taken off when its steps are set back, and removed when that is asked for.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { takeDataplane } from '../../collector/src/attach/dataplane/lock.ts';
import { DataplanePins } from '../../collector/src/attach/dataplane/pins.ts';
import { VERSION } from '../../collector/src/version.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { freePorts } from '../../deploy/lab/ports.ts';
import { listening, type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { builtTestProgram } from '../native/build.ts';
import { type Flowspan, ownEnvironment, startFlowspan, temporaryFolder, whyNot } from '../support/flowspan.ts';
import type { Asked } from './dataplane_probe.ts';

const PROBE = fileURLToPath(new URL('dataplane_probe.ts', import.meta.url));
const COMMAND = fileURLToPath(new URL('../../query-api/cli/flowspan.ts', import.meta.url));
const NODE = 'node-1';
const PORT = 8080;
const VIP = '10.96.7.7';
const START_MS = 30_000;
const ROWS_AFTER = 100;
/** A second on a machine that is not busy; here others run. */
const UNWATCHED_S = 3;
const CHOICES = 'flowspan_service_choices_total';

/** As GET /status has it. */
interface Status {
  readonly dataplane: {
    readonly role: string;
    readonly holder?: { readonly pid: number; readonly release: string };
    readonly programs: readonly { readonly name: string; readonly attached: boolean; readonly reason: string }[];
    readonly conditions: readonly { readonly name: string; readonly reason: string; readonly kind: string }[];
  };
}

describe('the data plane of collectors', { skip: whyNot() ?? false }, () => {
  const directory = join(temporaryFolder(), 'manifests');
  let cgroup: Cgroup;
  let client: Namespace;
  let server: Namespace;
  let store: Flowspan;
  let env: Record<string, string>;
  let pins: DataplanePins;
  let served: Program;
  let asking: Program;
  const collectors: Collector[] = [];

  /** One process of `flowspan collector`. */
  class Collector {
    readonly program: Program;
    readonly #url: string;

    constructor(more: Record<string, string>) {
      const own = { ...env, ...more };
      this.program = start({}, [process.execPath, COMMAND, 'collector'], own);
      this.#url = `http://${own.FLOWSPAN_COLLECTOR_LISTEN}`;
      collectors.push(this);
    }

    async text(path: string): Promise<string> {
      return await (await fetch(`${this.#url}${path}`, { signal: AbortSignal.timeout(5000) })).text();
    }

    async status(): Promise<Status> {
      return JSON.parse(await this.text('/status')) as Status;
    }

    /** Resolves when it has the data plane and everything is attached. */
    async attached(): Promise<this> {
      await eventually(
        'the data plane to be attached',
        async () => {
          if (this.program.process.exitCode !== null) throw new Error(this.program.output());
          try {
            const { role, programs } = (await this.status()).dataplane;
            return role === 'holder' && programs.every(({ attached }) => attached);
          } catch {
            return false;
          }
        },
        START_MS,
      );
      return this;
    }

    /** Resolves when it observes, and nothing else. */
    async observes(): Promise<this> {
      await eventually('a collector that observes', () => /"watching"/.test(this.program.output()), START_MS);
      assert.equal((await this.status()).dataplane.role, 'none');
      return this;
    }

    async kill(): Promise<void> {
      await this.program.stop('SIGKILL');
    }

    /** Choices that the kernel has counted. */
    async choices(): Promise<number> {
      const lines = (await this.text('/metrics')).split('\n').filter((line) => line.startsWith(`${CHOICES}{`));
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    }
  }

  const enforce = { FLOWSPAN_DATAPLANE_LOAD_BALANCING: 'enforce' };
  const asked = (): Asked => JSON.parse(asking.output().trim().split('\n').at(-1) ?? '') as Asked;
  /** Waits until so many more new connections have been answered. */
  const answeredMore = async (count = 20) => {
    const { answered, live } = asked();
    await eventually('answers', () => asked().answered >= answered + count && asked().live > live, START_MS);
  };
  const ask = async () => {
    asking = start({ namespace: client, cgroup }, [process.execPath, PROBE, 'ask', VIP, '80']);
    await eventually('answers', () => asking.output() !== '' && asked().live > 0 && asked().answered > 0, START_MS);
  };
  const flowspan = (...words: string[]) => run({}, ['env', ...pairs(env), process.execPath, COMMAND, ...words]);

  before(async () => {
    mkdirSync(directory);
    cgroup = createCgroup();
    [client, server] = [createNamespace(), createNamespace()];
    const { b } = connect(client, server);
    served = start({ namespace: server, cgroup }, [process.execPath, PROBE, 'serve', `${PORT}`]);
    await listening(server, PORT);
    writeFileSync(join(directory, 'all.json'), JSON.stringify(objects(b.ipv4)));
    const own = await ownEnvironment();
    env = {
      ...own,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT: cgroup.path,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true',
      FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: '1',
      FLOWSPAN_MANIFESTS: directory,
      FLOWSPAN_NODE: NODE,
    };
    pins = new DataplanePins(own.FLOWSPAN_COLLECTOR_PIN_DIR as string);
    store = await startFlowspan({ processes: ['store'], env });
    await new Collector(enforce).attached();
    await ask();
  });
  after(async () => {
    for (const { program } of collectors) await program.stop('SIGKILL');
    for (const program of [asking, served]) await program?.stop('SIGKILL');
    await store?.stop();
    for (const each of [client, server, cgroup]) each?.remove();
  });

  const last = () => collectors.at(-1) as Collector;

  it('goes on while the collector is killed and started again, and its counters with it', async () => {
    const before = await last().choices();
    assert.ok(before > 0);
    await last().kill();
    await answeredMore();
    const { programs } = (await (await new Collector(enforce).attached()).status()).dataplane;
    assert.ok(programs.length > 10);
    assert.match(last().program.output(), /"taken_up":true/);
    await answeredMore();
    await eventually('counters', async () => (await last().choices()) > before + 20);
    assert.deepEqual([asked().failed, asked().live > 0], [0, true]);
  });

  it('is replaced by one with another layout of maps', async () => {
    await last().program.stop();
    await answeredMore();
    const [layout] = pins.layouts();
    await new Collector({
      ...enforce,
      FLOWSPAN_COLLECTOR_DATAPLANE_OBJECT: builtTestProgram('other_dataplane.bpf.o'),
    }).attached();
    assert.equal(pins.layouts().length, 1);
    assert.notEqual(pins.layouts()[0], layout);
    await answeredMore();
    assert.deepEqual([asked().failed, asked().live > 0], [0, true]);
    await last().program.stop();
    await new Collector(enforce).attached();
    assert.deepEqual(pins.layouts(), [layout]);
  });

  it('is had by one collector: the next stands by, and takes over when that is killed', async (context) => {
    const holder = last();
    const [port] = await freePorts(1);
    const second = new Collector({ ...enforce, FLOWSPAN_COLLECTOR_LISTEN: `127.0.0.1:${port}` });
    const { dataplane } = await eventually('a standby', () => second.status().catch(() => undefined), START_MS);
    assert.deepEqual([dataplane.role, dataplane.holder?.pid], ['standby', holder.program.pid]);
    assert.deepEqual(JSON.parse(await second.text('/readyz')), { ready: true, reasons: [] });
    assert.match(await second.text('/metrics'), /flowspan_dataplane_role\{role="standby"\} 1/);
    assert.deepEqual(
      dataplane.programs.filter(({ reason }) => reason !== '' && !/not filled/.test(reason)),
      [],
      'it has loaded what it would attach',
    );
    await answeredMore();
    const killedAt = Date.now();
    await holder.kill();
    await second.attached();
    await answeredMore();
    assert.deepEqual([asked().failed, asked().live > 0], [0, true]);
    const unwatched = await unwatchedSince(killedAt);
    context.diagnostic(`nobody watched for ${unwatched.toFixed(2)} s`);
    assert.ok(unwatched < UNWATCHED_S, `nobody watched for ${unwatched} s`);
  });

  it('is not had by a collector of another release', async () => {
    await last().program.stop();
    const taken = await takeDataplane(env.FLOWSPAN_COLLECTOR_PIN_DIR as string, '0.0.0-other');
    assert.ok('release' in taken);
    const refused = new Collector(enforce);
    await eventually('its end', () => refused.program.process.exitCode !== null, START_MS);
    assert.equal(refused.program.process.exitCode, 1);
    const words = `FLOW_DATAPLANE_HELD: process ${process.pid}, Flowspan 0.0.0-other, since .* has the data plane .* this is ${VERSION}`;
    assert.match(refused.program.output(), new RegExp(words));
    taken.release();
    await answeredMore();
    assert.equal(asked().failed, 0);
  });

  it('is taken off when its steps are set back to observe: who is connected stays so', async () => {
    await new Collector({}).observes();
    assert.equal(pins.isEmpty, true);
    await eventually('refusals', () => asked().failed > 10, START_MS);
    const { live } = asked();
    await eventually('the connection that stays', () => asked().live > live + 10);
    await last().program.stop();
    await new Collector(enforce).attached();
    const { failed } = asked();
    await answeredMore();
    assert.ok(asked().failed - failed < 5, 'those that had begun before');
    assert.ok(asked().live > 0);
  });

  it('is listed and removed by `flowspan cleanup`, not while a collector has it', async () => {
    await assert.rejects(flowspan('cleanup'), new RegExp(`FLOW_DATAPLANE_HELD: process ${last().program.pid}`));
    const listed = await flowspan('cleanup', '--dry-run');
    assert.match(listed, /program service_connect4 would be removed\n/);
    assert.match(listed, /map [0-9a-f]{16}\/service_backends would be removed\n/);
    await last().program.stop();
    await answeredMore();
    const removed = await flowspan('cleanup');
    assert.equal(removed, listed.replaceAll('would be removed', 'removed'));
    assert.equal(pins.isEmpty, true);
    assert.equal(await flowspan('cleanup'), 'flowspan: there is no data plane\n');
    const { failed, live } = asked();
    await eventually('refusals', () => asked().failed > failed + 10, START_MS);
    assert.ok(asked().live > live);
  });

  /** Seconds from a moment until the first connection began that has a row. */
  async function unwatchedSince(sinceMs: number): Promise<number> {
    const began = 'toUnixTimestamp64Nano(time) / 1e9 - connection_age_ns / 1e9';
    const of = `observation_point = 'client' AND destination_port = ${PORT} AND ${began} > ${sinceMs / 1000}`;
    const first = async () =>
      (
        await store.query<{ s: number; n: string }>(`SELECT min(${began}) AS s, count() AS n FROM flows WHERE ${of}`)
      )[0];
    await eventually('rows', async () => Number((await first())?.n) > ROWS_AFTER, START_MS);
    return Number((await first())?.s) - sinceMs / 1000;
  }
});

const pairs = (env: Readonly<Record<string, string>>) => Object.entries(env).map(([name, value]) => `${name}=${value}`);

function objects(backend: string): object {
  const service = { name: 'web', namespace: 'shop', uid: '5e2e3d4c-aaaa-4bbb-8ccc-000000000001' };
  const labels = { 'kubernetes.io/service-name': 'web' };
  return {
    ...{ apiVersion: 'v1', kind: 'List' },
    items: [
      { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } },
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: service },
        spec: { clusterIP: VIP, clusterIPs: [VIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
      },
      {
        ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
        metadata: { name: 'web-1', namespace: 'shop', labels },
        endpoints: [{ addresses: [backend], conditions: { ready: true } }],
        ports: [{ name: 'http', port: PORT, protocol: 'TCP' }],
      },
    ],
  };
}
