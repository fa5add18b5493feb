/** `flowspan explain` against a real query API. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { readExplainCommand } from '../../query-api/cli/explain/flags.ts';
import { UsageError } from '../../query-api/cli/filter_flags.ts';
import { ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { BEGIN, clientView, endpoint, event, flow, MS, request, SECOND } from './rows.ts';
import { Scene } from './scene.ts';

const COMMAND = new URL('../../query-api/cli/flowspan.ts', import.meta.url).pathname;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  await scene.insert(ENDPOINTS, [endpoint(1n, 'gateway'), endpoint(2n, 'checkout'), endpoint(3n, 'cart')]);
  const gateway = { source_endpoint_id: 1n, destination_endpoint_id: 2n, source_port: 41000, socket_cookie: 10n };
  const checkout = { source_endpoint_id: 2n, destination_endpoint_id: 3n, source_port: 42000, socket_cookie: 20n };
  const rows = Array.from({ length: 20 }, (_, index) => {
    const at = BigInt(index + 1) * SECOND;
    const http_status_code = index % 2 === 0 ? 503 : 200;
    const more = { http_status_code, request_index: index, application_read_ns: 1n * MS };
    // cart fails while checkout is being asked
    const below = request(at - MS, { ...checkout, ...more, duration_ns: 2n * MS, response_start_ns: 2n * MS });
    return [request(at, { ...gateway, ...more }), below, clientView(below, MS / 4n)];
  });
  await scene.insert(REQUESTS, rows.flat());
  await scene.insert(FLOWS, [flow(10n * SECOND, gateway), flow(10n * SECOND, { ...checkout, destination_port: 8123 })]);
  const lost = Array.from({ length: 30 }, (_, index) =>
    event(BigInt(index + 1) * SECOND, { ...checkout, destination_port: 8123, socket_cookie: 30n }),
  );
  await scene.insert(TCP_EVENTS, lost);
});
after(() => scene.close());

const at = (seconds: number) => String(BEGIN / SECOND + BigInt(seconds));
const MINUTE = ['--since', at(0), '--until', at(60)];

async function run(...args: string[]) {
  const env = { ...process.env, FLOWSPAN_SERVER: scene.url };
  const child = spawn(process.execPath, [COMMAND, 'explain', ...args], { env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { stdout, stderr, code: code as number };
}

const findings = async (...args: string[]) =>
  (JSON.parse((await run(...MINUTE, '-o', 'json', ...args)).stdout) as { findings: { id: string }[] }).findings;

test('says what is wrong on which edge, with numbers and requests, and what it follows from', async () => {
  const { stdout, code } = await run(...MINUTE);
  assert.equal(code, 0);
  assert.match(stdout, /: 2 findings\n\n1\. server_error {2}checkout -> cart:80\n/);
  assert.match(stdout, /\(10 of 20\), from \d\d:\d\d:\d\d\.\d{3} to /);
  assert.match(stdout, /error ratio 50 %, http 503 10 requests, requests 20 requests\n/);
  assert.match(stdout, /\n {3}and so 2\. server_error gateway -> checkout:80\n/);
  assert.match(
    stdout,
    /\n2\. server_error {2}gateway -> checkout:80\n[\s\S]*\n {3}because of 1\. server_error checkout -> cart:80\n/,
  );
  const [, id] = /\/v1\/requests\/(\w+)/.exec(stdout) ?? [];
  assert.equal((await scene.get(`/v1/requests/${id}`)).status, 200);
});

test('says how complete the answer is', async () => {
  const { stdout } = await run(...MINUTE);
  assert.match(stdout, /\nincomplete: nothing observed from [\s\S]*\nno collector has reported in this time\n$/);
});

test('--fail makes findings exit code 1; no fault is no failure', async () => {
  assert.equal((await run(...MINUTE, '--fail')).code, 1);
  const quiet = await run('--since', at(-60), '--until', at(0), '--fail');
  assert.deepEqual([quiet.code, /: no fault found\n/.test(quiet.stdout)], [0, true], quiet.stdout);
});

test('filters say which edges are meant', async () => {
  const ids = async (...args: string[]) => (await findings(...args)).map(({ id }) => id);
  assert.deepEqual(await ids('--to-workload', 'checkout'), ['server_error gateway -> checkout:80']);
  assert.deepEqual(await ids('--not', '--to-workload', 'checkout'), ['server_error checkout -> cart:80']);
  assert.deepEqual(await ids('--port', '81'), []);
});

test('Flowspan’s own ports are left out unless they are asked for', async () => {
  const lost = 'packet_loss checkout -> cart:8123';
  assert.ok((await findings('--own')).some(({ id }) => id === lost));
  assert.deepEqual(
    (await findings('--port', '8123')).map(({ id }) => id),
    [lost],
  );
  const command = readExplainCommand(['--server', 'http://127.0.0.1:17470'], {
    FLOWSPAN_STORE_LISTEN: '127.0.0.1:18123',
  });
  assert.deepEqual(command?.filters.getAll('port'), ['!18123', '!7471', '!7470', '!17470']);
});

test('json holds findings as explain() gives them, and what the answers lack', async () => {
  const { stdout } = await run(...MINUTE, '-o', 'json');
  const answer = JSON.parse(stdout);
  assert.deepEqual(Object.keys(answer), ['since', 'until', 'findings', 'completeness', 'cut']);
  assert.deepEqual(answer.findings[1].follows_from, [answer.findings[0].id]);
  assert.equal(answer.findings[0].edge.destination.workload, 'cart');
  assert.equal(answer.completeness[0].complete, false);
});

test('what it cannot understand, and a query API that is not there', async () => {
  for (const args of [
    ['--to-prot', '80'],
    ['-o', 'xml'],
    ['--not'],
    ['--server', 'nowhere'],
    ['--http-status', '503'],
  ]) {
    assert.throws(() => readExplainCommand(args, {}), UsageError, args.join(' '));
  }
  const wrong = await run('-o', 'xml');
  assert.deepEqual(
    [wrong.code, /^FLOW_CLI_USAGE: --output: 'xml' is not one of text, json\n$/.test(wrong.stderr)],
    [2, true],
  );
  const gone = await run('--server', 'http://127.0.0.1:1');
  assert.deepEqual([gone.code, /^FLOW_CLI_UNREACHABLE: /.test(gone.stderr)], [1, true], gone.stderr);
  const range = await run('--since', at(60), '--until', at(0));
  assert.deepEqual([range.code, /^FLOW_QUERY_BAD_VALUE: /.test(range.stderr)], [1, true], range.stderr);
  assert.match((await run('--help')).stdout, /^Usage: flowspan explain/);
});
