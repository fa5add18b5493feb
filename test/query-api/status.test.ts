/** `flowspan status` against fake collectors and a real query API. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { Scene } from './scene.ts';

const COMMAND = new URL('../../query-api/cli/flowspan.ts', import.meta.url).pathname;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
after(() => scene.close());

async function run(args: readonly string[]) {
  const child = spawn(process.execPath, [COMMAND, ...args], { env: { ...process.env, FLOWSPAN_SERVER: scene.url } });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.resume();
  const [code] = await once(child, 'close');
  return { stdout, code: code as number };
}

/** A FAKE collector's GET /status. */
async function fakeStatus(status: Record<string, unknown>) {
  const server = createServer((_request, response) => response.end(JSON.stringify(status)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

const STATUS = {
  version: '0.1.0',
  node: 'node-a',
  started: '2026-11-21T11:00:00.000000000Z',
  programs: [
    { name: 'cgroup_ingress', attached: true, required: true, reason: '', missing: '' },
    { name: 'tcp_send_reset', attached: false, required: false, reason: 'no BTF', missing: 'resets sent' },
  ],
  counters: { flow: { stored: 10, lost: 0 }, request: { stored: 100, aggregated: 5, shed: 2, lost: 3 } },
  kernel_discards: { stream_gap: 2, none: 0 },
  lag_ms: 1500,
  endpoints: 7,
};

test('status: what is attached, rates, losses, lag; exit codes', async () => {
  const impaired = await fakeStatus(STATUS);
  const { code, stdout } = await run(['status', '--collector', impaired.url]);
  assert.equal(code, 3);
  assert.match(stdout, /attached 1 of 2 programs, 7 endpoints known, rows trail by 1\.5 s/);
  assert.match(stdout, /NOT ATTACHED tcp_send_reset +optional: no BTF; missing: resets sent/);
  assert.match(stdout, /request +0\.0\/s stored +100 stored +7 counted only +3 lost/);
  assert.match(stdout, /given up in the kernel: stream_gap=2/);
  assert.match(stdout, /query API .*: answers/);
  impaired.close();
  const sound = await fakeStatus({
    ...STATUS,
    programs: STATUS.programs.slice(0, 1),
    counters: { flow: { stored: 10, lost: 0 } },
  });
  assert.equal((await run(['status', '--collector', sound.url])).code, 0);
  const json = await run(['status', '--collector', sound.url, '-o', 'json']);
  assert.equal(JSON.parse(json.stdout).collectors[0].status.node, 'node-a');
  sound.close();
  assert.equal((await run(['status', '--collector', 'http://127.0.0.1:9'])).code, 1);
  assert.equal((await run(['status', '--server', 'http://127.0.0.1:9'])).code, 1);
  assert.equal((await run(['status', '--nonsense'])).code, 2);
});
