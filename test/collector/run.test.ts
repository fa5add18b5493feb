/** The whole collector on the real kernel, watching one cgroup, writing to the embedded store. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, freePorts, startFlowspan, temporaryFolder, whyNot } from '../support/flowspan.ts';

const SERVER = `require('node:http').createServer((q, a) => { q.resume(); a.end('ok'); }).listen(+process.argv[1], '127.0.0.1')`;

describe('a collector on this kernel', { skip: whyNot() ?? false }, () => {
  let cgroup: Cgroup;
  let flowspan: Flowspan;
  let server: Program;
  let port: number;
  const config = join(temporaryFolder(), 'flowspan.yaml');

  /** Asks the server once for each of some distinct paths, all on one connection. */
  async function ask(label: string, count: number, query = ''): Promise<void> {
    await run({ cgroup }, ['curl', '-s', '-o', '/dev/null', `http://127.0.0.1:${port}/${label}/[1-${count}]${query}`]);
  }

  async function stored(label: string): Promise<number> {
    const sql = `SELECT count() AS c FROM requests WHERE observation_point = 'server' AND http_path LIKE '/${label}/%'`;
    return Number((await flowspan.query<{ c: string }>(sql))[0]?.c);
  }

  const ready = () =>
    fetch(`${flowspan.collectorUrl}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );

  before(async () => {
    cgroup = createCgroup();
    [port = 0] = await freePorts(1);
    writeFileSync(config, 'log_level: info\n');
    server = start({ cgroup }, [process.execPath, '-e', SERVER, String(port)]);
    flowspan = await startFlowspan({ cgroup, env: { FLOWSPAN_CONFIG: config } });
  });

  after(async () => {
    await flowspan?.stop();
    await server?.stop();
    cgroup?.remove();
  });

  it('stores requests and flows with both ends', async () => {
    await ask('first', 20);
    await eventually('twenty requests', async () => (await stored('first')) === 20);
    const named = await eventually(
      'both names',
      async () => {
        const [row] = await flowspan.query<{ names: string }>(
          `SELECT concat(source, ' ', destination) AS names FROM requests_named
        WHERE http_path = '/first/20' AND observation_point = 'server'`,
        );
        return row?.names.includes('127') ? false : row?.names;
      },
      30_000,
    );
    assert.equal(named, 'curl node');
  });

  it('tells what is attached, counted and stored', async () => {
    const status = (await (await fetch(`${flowspan.collectorUrl}/status`)).json()) as {
      programs: { name: string; attached: boolean }[];
      counters: Record<string, Record<string, number>>;
    };
    assert.ok(status.programs.some(({ name, attached }) => name === 'cgroup_ingress' && attached));
    const { wanted, read, rows, lost } = status.counters.request ?? {};
    assert.ok(wanted! >= 40 && read! >= 40 && rows! >= 40);
    assert.equal(lost, 0);
  });

  it('takes on SIGHUP what it can, and says what needs a restart', async () => {
    writeFileSync(config, 'cluster: other\ncollector:\n  redaction:\n    allow_query_names: [page]\n');
    process.kill(flowspan.pid('collector'), 'SIGHUP');
    await eventually('the new configuration', () => flowspan.output().includes('configuration read again'));
    await eventually('what needs a restart', () => flowspan.output().includes('"keys":["cluster"]'));
    await ask('allowed', 1, '?page=2&token=x');
    await eventually('the request', async () => (await stored('allowed')) === 1);
    const [row] = await flowspan.query<{ http_query: string }>(
      `SELECT http_query FROM requests WHERE http_path = '/allowed/1'`,
    );
    assert.equal(row?.http_query, 'page=2&token=REDACTED');
    writeFileSync(config, 'log_level: deafening\n');
    process.kill(flowspan.pid('collector'), 'SIGHUP');
    await eventually('the refusal', () => flowspan.output().includes('the old one holds'));
    writeFileSync(config, 'log_level: info\n');
  });

  it('loses nothing while the store is away', async () => {
    process.kill(flowspan.pid('store'), 'SIGKILL');
    await ask('away', 500);
    await wait(1500);
    await ask('away2', 500);
    await eventually(
      'all requests',
      async () => (await stored('away').catch(() => 0)) === 500 && (await stored('away2')) === 500,
      30_000,
    );
  });

  it('ends within three seconds, and tells of the time until it watched again', async () => {
    await ask('last', 10);
    const pid = flowspan.pid('collector');
    const begun = performance.now();
    process.kill(pid, 'SIGTERM');
    await eventually('its end', () => flowspan.output().includes('"stopped"'), 3000);
    assert.ok(performance.now() - begun < 3000);
    await eventually('the next collector', ready, 20_000);
    assert.equal(await stored('last'), 10);
    const losses = await eventually('the gap', async () => {
      const rows = await flowspan.query<{ s: number }>(
        "SELECT duration_ns / 1e9 AS s FROM losses WHERE kind = 'all' AND reason = 'restart'",
      );
      return rows.length === 1 && rows;
    });
    assert.ok(losses[0]!.s > 0.2 && losses[0]!.s < 20, `${losses[0]!.s} s`);
  });

  it('after a crash sends what it had written, once', async () => {
    await ask('crash', 200);
    await wait(600);
    process.kill(flowspan.pid('collector'), 'SIGKILL');
    await wait(200);
    await eventually('the next collector', ready, 30_000);
    await eventually('the requests before the crash', async () => (await stored('crash')) === 200, 10_000);
    await wait(1500);
    assert.equal(await stored('crash'), 200);
  });
});
