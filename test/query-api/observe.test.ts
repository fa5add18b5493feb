/** `flowspan observe` and `flowspan status` as processes: output, colours, exit codes. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { wantsColour } from '../../query-api/cli/observe.ts';
import { bytesText, durationText, printable } from '../../query-api/cli/observe_format.ts';
import { COLLECTOR_REPORTS, FLOWS, REQUESTS } from '../../store/tables.ts';
import { eventually } from '../support/wait.ts';
import { FakeCollector } from './fake_collector.ts';
import { BEGIN, flow, MS, report, request, SECOND } from './rows.ts';
import { insertSamples } from './samples.ts';
import { Scene } from './scene.ts';

const COMMAND = new URL('../../query-api/cli/flowspan.ts', import.meta.url).pathname;

let scene: Scene;
let collector: FakeCollector;
before(async () => {
  collector = await FakeCollector.start();
  scene = await Scene.start({ collectors: [collector.url] });
  await insertSamples(scene);
  await scene.insert(COLLECTOR_REPORTS, [report(0n)]);
});
after(async () => {
  await scene.close();
  await collector.close();
});

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [COMMAND, ...args], { env: { ...process.env, FLOWSPAN_SERVER: scene.url, ...env } });
}

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const child = start(args, env);
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    out.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    out.stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { ...out, code: code as number, lines: out.stdout.split('\n').filter(Boolean) };
}

const SINCE = ['--since', String(BEGIN / SECOND), '--until', String(BEGIN / SECOND + 300n)];

test('rows of all kinds, oldest first, without colour in a pipe', async () => {
  const { code, lines, stdout } = await run(['observe', ...SINCE]);
  assert.equal(code, 0);
  assert.equal(lines.length, 12);
  assert.deepEqual(
    lines.map((line) => line.slice(0, 23)),
    lines.map((line) => line.slice(0, 23)).toSorted(),
  );
  assert.ok(!stdout.includes('\u001b'));
  const failed = lines.find((line) => line.includes('503'))!;
  assert.match(failed, /shop\/checkout:40000 -> nginx\.service:80 GET shop\.example\/cart 503 60ms/);
});

test('--last, --first and their order', async () => {
  const last = await run(['observe', ...SINCE, '--last', '3', '-t', 'request']);
  assert.deepEqual(
    last.lines.map((line) => / (\d{3}|no_response) /.exec(line)?.[1]),
    ['404', '503', 'no_response'],
  );
  const first = await run(['observe', ...SINCE, '--first', '2', '-t', 'request']);
  assert.deepEqual(
    first.lines.map((line) => / (\d{3}) /.exec(line)?.[1]),
    ['200', '404'],
  );
});

test('hubble’s flags filter', async () => {
  const cases = [
    [['--http-status', '5+'], 1],
    [['--http-status', '404', '--http-status', '503'], 2],
    [['--not', '--http-status', '200'], 3],
    [['--http-method', 'post'], 1],
    [['--http-path', '/items/*'], 2],
    [['--from-pod', 'shop/check', '-t', 'request'], 3],
    [['--from-pod', 'shop/'], 11],
    [['--to-pod', 'nginx', '--protocol', 'http'], 4],
    [['--from-ip', '192.168.3.0/24'], 2],
    [['--protocol', 'udp'], 1],
    [['--verdict', 'DROPPED'], 1],
    [['--port', '53'], 1],
    [['-t', 'event'], 3],
    [['-t', 'event', '--kind', 'drop'], 1],
    [['--min-duration', '50ms', '-t', 'request'], 1],
  ] as const;
  const check = async ([args, count]: (typeof cases)[number]) => {
    const { lines, stderr } = await run(['observe', ...SINCE, ...args]);
    assert.equal(lines.length, count, `${args.join(' ')}\n${lines.join('\n')}\n${stderr}`);
  };
  for (let at = 0; at < cases.length; at += 4) await Promise.all(cases.slice(at, at + 4).map(check));
});

test('exit codes: nothing matched, wrong usage, nobody there', async () => {
  assert.equal((await run(['observe', ...SINCE, '--from-pod', 'nobody'])).code, 3);
  for (const args of [
    ['--nonsense'],
    ['--last', 'x'],
    ['-o', 'xml'],
    ['--last', '1', '--first', '1'],
    ['--not'],
    ['-t', 'flow', '--http-status', '200'],
    ['--follow', '--until', '1m'],
  ]) {
    const { code, stderr } = await run(['observe', ...args]);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, /^FLOW_CLI_USAGE: /);
  }
  const bad = await run(['observe', '--port', 'http']);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /^FLOW_QUERY_BAD_VALUE: port/);
  const nobody = await run(['observe', '--server', 'http://127.0.0.1:9']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /^FLOW_CLI_UNREACHABLE: http:\/\/127\.0\.0\.1:9 does not answer/);
  assert.equal((await run(['observe', '--help'])).code, 0);
});

test('-o json: one object a line, completeness last', async () => {
  const { lines } = await run(['observe', ...SINCE, '-t', 'request', '-o', 'json']);
  const records = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    records.map(({ type }) => type),
    ['request', 'request', 'request', 'request', 'completeness'],
  );
  assert.equal(records[0].row.http_status_code, 200);
});

test('-o table has a head and columns', async () => {
  const { lines } = await run(['observe', ...SINCE, '-t', 'request', '-o', 'table']);
  assert.match(lines[0]!, /^TIME +KIND +SOURCE +DESTINATION +WHAT$/);
  assert.equal(lines.length, 5);
  assert.ok(lines.every((line) => line[18] === ' '));
});

test('what is missing is said on standard error, once, for the time that is shown', async () => {
  const { stderr } = await run(['observe', ...SINCE]);
  assert.match(stderr, /^incomplete: node-a unobserved from [^\n]*\n$/);
  await scene.insert(COLLECTOR_REPORTS, [
    report(-30n * SECOND),
    ...[0, 25, 50, 75, 100].map((at) => report(BigInt(at) * SECOND)),
  ]);
  const last = await run(['observe', '--since', '2h', '--until', String(BEGIN / SECOND + 90n), '--last', '3']);
  assert.equal(last.lines.length, 3);
  assert.equal(last.stderr, '', 'what was missing before the rows that are shown is not told');
});

test('colour: on a terminal only, unless it is asked for or NO_COLOR is set', async () => {
  assert.equal(wantsColour('auto', true, {}), true);
  assert.equal(wantsColour('auto', true, { NO_COLOR: '1' }), false);
  assert.equal(wantsColour('auto', true, { TERM: 'dumb' }), false);
  assert.equal(wantsColour('auto', false, {}), false);
  assert.equal(wantsColour('never', true, {}), false);
  const { stdout } = await run(['observe', ...SINCE, '--color', 'always', '--http-status', '503']);
  assert.ok(stdout.includes('\u001b[31mGET'));
});

test('text from the network does not steer the terminal', async () => {
  assert.equal(printable('a\u001b[2Jb\nc\u009bd'), 'a\ufffd[2Jb\ufffdc\ufffdd');
  await scene.insert(REQUESTS, [request(700n * SECOND, { http_path: '/\u001b[31mred\n', source_port: 48000 })]);
  const { stdout, lines } = await run(['observe', '--since', '2h', '--from-port', '48000', '-t', 'request']);
  assert.equal(lines.length, 1);
  assert.ok(!stdout.includes('\u001b'));
});

test('--follow shows recorded rows and then live ones, until it is told to end', async () => {
  const child = start(['observe', '--follow', '--last', '1', '-t', 'flow', '--port', '49000']);
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const now = BigInt(Date.now()) * MS - BEGIN;
  await scene.insert(FLOWS, [flow(now - SECOND, { source_port: 49000 })]);
  await eventually('the feed', () => collector.clients === 1);
  await eventually('a live row', () => {
    collector.row(FLOWS, flow(now, { source_port: 49000, verdict: 'DROPPED' }));
    collector.row(FLOWS, flow(now, { source_port: 49001, verdict: 'ERROR' }));
    return out.includes('DROPPED');
  });
  assert.doesNotMatch(out, /ERROR/);
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  await eventually('the feed to be left', () => collector.clients === 0);
});

test('a reader that goes away ends it quietly', async () => {
  const child = start(['observe', '--follow', '-t', 'flow']);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  await eventually('the feed', () => collector.clients === 1);
  child.stdout.destroy();
  const ended = once(child, 'close');
  const feed = setInterval(() => collector.row(FLOWS, flow(SECOND)), 20);
  const [code] = await ended;
  clearInterval(feed);
  assert.equal(code, 0);
  assert.equal(errors, '');
});

test('lengths and sizes', () => {
  assert.deepEqual([null, 0, 999, 5_030_000, 61_500_000_000].map(durationText), [
    '?',
    '0ns',
    '999ns',
    '5.03ms',
    '61.5s',
  ]);
  assert.deepEqual([null, 0, 1500, 2_000_000].map(bytesText), ['?', '0B', '1.5kB', '2MB']);
});

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
  counters: { flow: { stored: 10, lost: 0 }, request: { stored: 100, lost: 3 } },
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
  assert.match(stdout, /request +0\.0\/s stored +100 stored +3 lost/);
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
