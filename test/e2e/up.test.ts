/** `flowspan up` on this machine: from an empty data folder to an answer, and back to nothing. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Program } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { ownEnvironment, whyNot } from '../support/flowspan.ts';
import { lockRootCgroup } from '../support/root-lock.ts';
import { curl, flowspanCommand, isRunning, leftInKernel, startUp, type Up } from '../support/up.ts';

const END_MS = 8_000;

describe('flowspan up', { skip: whyNot() ?? false }, () => {
  let lock: Program;
  let env: Record<string, string>;
  let up: Up;
  let programsBefore: Set<number>;
  let linksBefore: Set<number>;
  const web = createServer((_, response) => response.end('hello\n'));

  const requestUrl = (path: string): string => `http://127.0.0.1:${(web.address() as AddressInfo).port}${path}`;
  const api = (question: string): Promise<string> => curl(`http://${env.FLOWSPAN_QUERY_API_LISTEN}${question}`);

  /** Makes requests to the path until the query API knows one. */
  async function seen(path: string): Promise<Record<string, unknown>> {
    return eventually(
      `a row for ${path}`,
      async () => {
        await curl(requestUrl(path));
        const answer = JSON.parse(await api(`/v1/requests?since=5m&path=${path}`)) as {
          data?: Record<string, unknown>[];
        };
        return answer.data?.[0];
      },
      20_000,
    );
  }

  async function nothingLeft(pids: Iterable<number>): Promise<void> {
    for (const pid of pids) await eventually(`process ${pid} to end`, () => !isRunning(pid), END_MS);
    // Programs and links go when their last holder has gone, a moment after it; so do those of tests beside this one.
    await eventually('the kernel to let go', async () => {
      const programs = await leftInKernel('prog');
      const links = await leftInKernel('link');
      return programs.every((id) => programsBefore.has(id)) && links.every((id) => linksBefore.has(id));
    });
  }

  before(async () => {
    lock = await lockRootCgroup();
    programsBefore = new Set(await leftInKernel('prog'));
    linksBefore = new Set(await leftInKernel('link'));
    env = await ownEnvironment();
    delete env.FLOWSPAN_CLICKHOUSE_URL;
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    up = await startUp(env);
  });

  after(async () => {
    await up?.program.stop('SIGKILL');
    web.close();
    await lock?.stop();
  });

  it('starts all three from an empty data folder and says where they answer', () => {
    assert.deepEqual([...up.children().keys()].toSorted(), ['collector', 'query-api', 'store']);
    for (const key of ['STORE', 'COLLECTOR', 'QUERY_API']) {
      assert.ok(
        up.program.output().includes(`http://${env[`FLOWSPAN_${key}_LISTEN`]}`),
        `${key} in:\n${up.program.output()}`,
      );
    }
  });

  it('tells of a request made with curl', async () => {
    const row = await seen('/e2e/curl');
    assert.equal(row.operation, 'GET');
    assert.equal(row.status, '200');
    assert.equal(row.outcome, 'ok');
  });

  it('shows it on the command line', async () => {
    const server = `http://${env.FLOWSPAN_QUERY_API_LISTEN}`;
    const { code, output } = await flowspanCommand(
      {},
      'observe',
      '--server',
      server,
      '--last',
      '50',
      '--http-path',
      '/e2e/curl',
      '-o',
      'json',
    );
    assert.equal(code, 0, output);
    assert.match(output, /\/e2e\/curl/);
    const status = await flowspanCommand(
      {},
      'status',
      '--server',
      server,
      '--collector',
      `http://${env.FLOWSPAN_COLLECTOR_LISTEN}`,
    );
    assert.equal(status.code, 0, status.output);
  });

  it('is alive and ready over HTTP', async () => {
    for (const listen of [env.FLOWSPAN_QUERY_API_LISTEN, env.FLOWSPAN_COLLECTOR_LISTEN]) {
      for (const path of ['healthz', 'readyz'])
        assert.equal((await fetch(`http://${listen}/${path}`)).status, 200, `${listen} ${path}`);
    }
  });

  for (const name of ['collector', 'query-api', 'store']) {
    it(`starts the ${name} again when it crashes`, async () => {
      const crashed = up.children().get(name);
      assert.ok(crashed !== undefined);
      process.kill(crashed, 'SIGKILL');
      await eventually(
        `another ${name}`,
        () => up.program.output().includes(`flowspan: ${name} is ready again`),
        30_000,
      );
      assert.notEqual(up.children().get(name), crashed);
      await seen(`/e2e/after-${name}`);
    });
  }

  it('ends on Ctrl-C with nothing left behind', async () => {
    const children = [...up.children().values()];
    assert.equal(children.length, 3);
    const began = performance.now();
    await up.program.stop('SIGINT');
    assert.equal(up.program.process.exitCode, 0, up.program.output());
    assert.ok(performance.now() - began < END_MS);
    await nothingLeft(children);
  });

  it('starts a second time and still has its rows', async (test) => {
    up = await startUp(env);
    test.diagnostic(`ready after ${up.readyMs.toFixed(0)} ms`);
    const answer = JSON.parse(await api('/v1/requests?since=10m&path=/e2e/curl')) as { data: unknown[] };
    assert.ok(answer.data.length > 0);
  });

  it('leaves nothing behind when it is killed', async () => {
    const children = [...up.children().values()];
    await up.program.stop('SIGKILL');
    await nothingLeft(children);
  });
});
