/** `flowspan observe`: flags, output, colours, exit codes. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { UsageError } from '../../query-api/cli/filter_flags.ts';
import { wantsColour } from '../../query-api/cli/observe.ts';
import { readObserveCommand } from '../../query-api/cli/observe_flags.ts';
import { bytesText, decisionText, durationText, Formatter, printable } from '../../query-api/cli/observe_format.ts';
import { COLLECTOR_REPORTS, FLOWS, REQUESTS } from '../../store/tables.ts';
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

/** Parameters of the query API that a command line stands for, and the kinds of rows it asks for. */
function asked(args: readonly string[]) {
  const { parameters } = readObserveCommand(args, {})!;
  const [first] = [...parameters.values()];
  return [[...parameters.keys()].join(), decodeURIComponent(String(first))];
}

for (const [args, types, query] of [
  [['--http-status', '5+'], 'request', 'status=5+'],
  [['--http-status', '404', '--http-status', '503'], 'request', 'status=404&status=503'],
  [['--not', '--http-status', '200', '--port', '80'], 'request', 'status=!200&port=80'],
  [['--http-method', 'post', '--http-path', '/items/*'], 'request', 'method=post&path=/items/*'],
  [['--from-pod', 'shop/check'], 'flow,request,tcp_event', 'source=shop/check*'],
  [['--to-pod', 'shop/'], 'flow,request,tcp_event', 'destination=shop/*'],
  [['--pod', '12345'], 'flow,request,tcp_event', 'endpoint=12345'],
  [['--protocol', 'http', '--to-pod', 'nginx'], 'request', 'destination=nginx*'],
  [['--protocol', 'udp'], 'flow,request,tcp_event', 'protocol=udp'],
  [
    ['--from-ip', '10.0.0.0/8', '--to-ip', '::1', '--ip', '1.1.1.1'],
    'flow,request,tcp_event',
    'source_address=10.0.0.0/8&destination_address=::1&address=1.1.1.1',
  ],
  [['--verdict', 'DROPPED', '-t', 'flow,event'], 'flow,tcp_event', 'verdict=DROPPED'],
  [
    ['--namespace', 'a', '--from-workload', 'b', '--to-port', '1'],
    'flow,request,tcp_event',
    'namespace=a&source_workload=b&destination_port=1',
  ],
  [['--kind', 'drop'], 'tcp_event', 'kind=drop'],
  [
    ['--from-service', 'shop/web', '--to-zone', 'z1', '--not', '--to-node', 'b', '--container', 'main'],
    'flow,request,tcp_event',
    'source_services=shop/web&destination_zone=z1&destination_node=!b&container=main',
  ],
  [
    ['--from-label', '!canary', '--not', '--to-label', 'app in (a,b)'],
    'flow,request,tcp_event',
    'source_label=!canary&destination_label=!(app+in+(a,b))',
  ],
  [['--via-service', 'shop/web'], 'flow,request,tcp_event', 'service=shop/web'],
  [['--trace-id', 'ab'], 'request', 'trace_id=ab'],
  [['--min-duration', '50ms', '-t', 'request'], 'request', 'min_duration=50ms'],
  [['-t', 'policy-verdict', '--verdict', 'DENIED'], 'verdict', 'verdict=DENIED'],
  [['--type', 'flow,verdict', '--not', '--verdict', 'AUDIT'], 'flow,verdict', 'verdict=!AUDIT'],
  [
    ['-t', 'verdict', '--policy-name', 'cart', '--http-path', '/x/*', '--namespace', 'shop'],
    'verdict',
    'policy_name=cart&path=/x/*&namespace=shop',
  ],
] as const) {
  test(`observe ${args.join(' ')}`, () => {
    assert.deepEqual(asked(args), [types, query]);
  });
}

test('hubble’s flags filter', async () => {
  const cases = [
    [['--not', '--http-status', '200'], 3],
    [['--from-pod', 'shop/'], 11],
    [['--to-pod', 'nginx', '--protocol', 'http'], 4],
    [['-t', 'event', '--kind', 'drop'], 1],
    [['--from-label', '!app', '--not', '--from-workload', 'cart', '--protocol', 'http'], 3],
  ] as const;
  const check = async ([args, count]: (typeof cases)[number]) => {
    const { lines, stderr } = await run(['observe', ...SINCE, ...args]);
    assert.equal(lines.length, count, `${args.join(' ')}\n${lines.join('\n')}\n${stderr}`);
  };
  await Promise.all(cases.map(check));
});

for (const args of [
  ['--nonsense'],
  ['--last', 'x'],
  ['-o', 'xml'],
  ['--color', 'pink'],
  ['--last', '1', '--first', '1'],
  ['--not'],
  ['-t', 'dns'],
  ['-t', 'flow', '--http-status', '200'],
  ['--kind', 'drop', '--http-status', '200'],
  ['--follow', '--until', '1m'],
  ['stray'],
]) {
  test(`observe ${args.join(' ')} is wrong usage`, () => {
    assert.throws(() => readObserveCommand(args, {}), UsageError);
  });
}

test('verdicts: one line each, with the policy, its rule, or why there is none', async () => {
  const { lines, code } = await run(['observe', ...SINCE, '-t', 'verdict']);
  assert.equal(code, 0);
  assert.deepEqual(
    lines.map((line) => line.slice(24)),
    [
      'shop/checkout:40000 -> shop/cart:80 TCP ingress ALLOWED policy=NetworkPolicy shop/cart rule 0 count=3',
      '192.0.2.7:40000 -> shop/cart:80 TCP ingress DENIED policy=NetworkPolicy shop/cart reason=isolated count=18446744073709551605',
      'shop/checkout:40000 -> shop/cart:80 TCP ingress AUDITED policy=CiliumNetworkPolicy shop/cart reason=no_http_rule DELETE cart.example/items/7,8 count=5',
      'shop/cart:40000 -> shop/checkout:53 UDP egress NO_POLICY reason=no_policy count=2',
      'shop/checkout:40000 -> shop/cart:80 TCP ingress DENIED policy=NetworkPolicy shop/cart rule 2 PUT / unjudged=framing count=1',
    ],
  );
  for (const [args, words] of [
    [
      ['--verdict', 'DENIED'],
      ['DENIED', 'DENIED'],
    ],
    [
      ['--verdict', 'dropped'],
      ['DENIED', 'DENIED'],
    ],
    [['--verdict', 'AUDIT'], ['AUDITED']],
    [
      ['--verdict', 'FORWARDED'],
      ['ALLOWED', 'NO_POLICY'],
    ],
    [['--not', '--verdict', 'FORWARDED', '--http-method', 'delete'], ['AUDITED']],
    [['--last', '1'], ['DENIED']],
    [['--to-port', '53'], ['NO_POLICY']],
  ] as const) {
    const found = await run(['observe', ...SINCE, '-t', 'policy-verdict', ...args]);
    assert.deepEqual(
      found.lines.map((line) => / (?:in|e)gress ([A-Z_]+) /.exec(line)?.[1]),
      words,
      args.join(' '),
    );
  }
  const dropped = await run(['observe', ...SINCE, '-t', 'flow,verdict', '--verdict', 'DROPPED', '-o', 'json']);
  assert.deepEqual(dropped.lines.map((line) => JSON.parse(line).type).toSorted(), [
    'completeness',
    'completeness',
    'flow',
    'verdict',
    'verdict',
  ]);
});

test('exit codes: nothing matched, wrong usage, refused, nobody there', async () => {
  const [none, usage, refused, nobody, help] = await Promise.all([
    run(['observe', ...SINCE, '--from-pod', 'nobody']),
    run(['observe', '--nonsense']),
    run(['observe', '--port', 'http']),
    run(['observe', '--server', 'http://127.0.0.1:9']),
    run(['observe', '--help']),
  ]);
  assert.equal(none.code, 3);
  assert.equal(usage.code, 2);
  assert.match(usage.stderr, /^FLOW_CLI_USAGE: /);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^FLOW_QUERY_BAD_VALUE: port/);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /^FLOW_CLI_UNREACHABLE: http:\/\/127\.0\.0\.1:9 does not answer/);
  assert.equal(help.code, 0);
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

test('the service that was dialled stands behind the destination', () => {
  const row = {
    ...{ time: '2026-11-21T11:32:02.000000000Z', source_address: '10.0.0.1', source_port: 1, flow_state: 'opened' },
    ...{ destination_workload: 'cart', destination_namespace: 'shop', destination_port: 8080, protocol: 6 },
    ...{ verdict: 'FORWARDED', application_protocol: 'http1', observation_point: 'client' },
    ...{ service_namespace: 'shop', service_name: 'cart\u001b' },
  };
  const line = new Formatter('compact', false).row({ type: 'flow', row });
  assert.match(line, /10\.0\.0\.1:1 -> shop\/cart:8080 via svc\/shop\/cart\ufffd TCP opened/);
  assert.doesNotMatch(new Formatter('table', false).row({ type: 'flow', row: { ...row, service_name: null } }), /via/);
});

test('a flow says which backend was chosen and whose rule decided', () => {
  const told = (row: Record<string, unknown>) => decisionText(row).join(', ');
  const chosen = { lb_reason: 'hash', lb_mode: 'enforce', lb_slot: 1, lb_candidates: 3 };
  assert.equal(told(chosen), 'lb=hash slot 1 of 3');
  assert.equal(told({ ...chosen, lb_mode: 'audit' }), 'lb=hash slot 1 of 3 (audit)');
  assert.equal(told({ ...chosen, lb_reason: 'no_backend', lb_slot: -1, lb_candidates: null }), 'lb=no_backend of 0');
  assert.equal(told({ ...chosen, lb_reason: 'none' }), '');
  const rule = { policy_kind: 'NetworkPolicy', policy_namespace: 'shop', policy_name: 'web\u001b', rule_index: 2 };
  assert.equal(told(rule), 'policy=NetworkPolicy shop/web\ufffd rule 2');
  assert.equal(told({ ...rule, rule_index: -1, policy_namespace: null }), 'policy=NetworkPolicy web\ufffd');
  assert.equal(told({ policy_name: null }), '');
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
