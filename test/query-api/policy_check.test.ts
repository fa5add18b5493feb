/** /v1/policy/check against a real store: what drafts of policies would change of what was seen. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { ChangeRow } from '../../query-api/src/policy/answer.ts';
import { ENDPOINTS, FLOWS, REQUESTS } from '../../store/tables.ts';
import { BEGIN, clientView, endpoint, flow, NODE_B, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

const [WEB, CART, BATCH, HOST, MOVED] = [10n, 11n, 12n, 13n, 14n];
const pod = (id: bigint, namespace: string, app: string, more = {}) =>
  endpoint(id, app, {
    ...{ kind: 'pod', namespace, name: `${app}-0`, pod_uid: `uid-${id}`, service_account: app, labels: { app } },
    ...more,
  });

let cookie = 5000n;
/** The first row of a connection to the cart. */
const connection = (source: bigint, more = {}) =>
  flow(10n * SECOND, {
    ...{ source_endpoint_id: source, destination_endpoint_id: CART, source_address: `10.0.0.${source}` },
    ...{ destination_address: `10.0.0.${CART}`, destination_port: 8080, interval_index: 0 },
    ...{ socket_cookie: cookie, source_port: Number(cookie++), source_basis: 'cgroup', destination_basis: 'cgroup' },
    ...more,
  });
/** The rows of one connection of web, which is opened and then carries something. */
const opened = (more: Record<string, unknown>, ...carried: readonly string[]) => {
  const first = connection(WEB, { flow_state: 'opened', application_protocol: 'empty', duration_ns: 0n, ...more });
  return [
    first,
    ...carried.map((application_protocol, index) => ({
      ...first,
      application_protocol,
      interval_index: 1 + index,
      flow_state: 'active',
      duration_ns: SECOND,
    })),
  ];
};
let sequence = 0n;
const asked = (source: bigint, more = {}) =>
  request((20n + ++sequence) * SECOND, {
    ...{ source_endpoint_id: source, destination_endpoint_id: CART, destination_port: 8080 },
    ...{ source_basis: 'cgroup', destination_basis: 'cgroup', socket_cookie: cookie++ },
    ...more,
  });
const times = (count: number, make: () => Record<string, unknown>) => Array.from({ length: count }, make);

const yaml = (text: string) =>
  parseAllDocuments(text)
    .map((document) => document.toJS() as unknown)
    .filter((one) => one !== null);
const networkPolicy = (name: string, spec: string, namespace = 'shop') =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: ${spec}\n---\n`;
const FROM_WEB = networkPolicy(
  'cart',
  '{podSelector: {matchLabels: {app: cart}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}',
);
const http = (rules: string, from = 'fromEndpoints: [{}]') =>
  'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: cart-http, namespace: shop}\n' +
  `spec: {endpointSelector: {matchLabels: {app: cart}}, ingress: [{${from}, toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [${rules}]}}]}]}\n`;

describe('/v1/policy/check', () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
    await scene.insert(ENDPOINTS, [
      ...[pod(WEB, 'shop', 'web'), pod(CART, 'shop', 'cart'), pod(BATCH, 'jobs', 'batch')],
      endpoint(HOST, 'sshd', { kind: 'unit', node: 'node-b', addresses: [] }),
      // labelled anew a minute after BEGIN
      pod(MOVED, 'shop', 'moved', { labels: { app: 'web' }, valid_to: BEGIN + 60n * SECOND }),
      pod(MOVED, 'shop', 'moved', { labels: { app: 'else' }, valid_from: BEGIN + 60n * SECOND }),
    ]);
    const [both, pair] = [connection(BATCH), connection(BATCH)];
    await scene.insert(FLOWS, [
      ...times(3, () => connection(WEB)),
      ...times(4, () => connection(BATCH)),
      // both ends of two connections, which the client's first row may not know of, and later rows of another
      ...[both, { ...both, observation_point: 'client', peer_observed: true, socket_cookie: cookie++ }],
      ...[pair, { ...pair, observation_point: 'client', socket_cookie: cookie++ }],
      connection(WEB, { interval_index: 1, time: BEGIN + 40n * SECOND }),
      // one that goes on since before the time asked for; one of which three are told as one
      connection(BATCH, { interval_index: 7, time: BEGIN + 5n * SECOND }),
      connection(BATCH, { sample_weight: 3 }),
      // an attempt that nobody answered, told by its client alone
      connection(BATCH, {
        observation_point: 'client',
        peer_observed: true,
        flow_state: 'closed',
        close_cause: 'timeout',
        ...NODE_B,
      }),
      // the port behind a service; a service whose backend nobody knows
      connection(BATCH, {
        observation_point: 'client',
        service_name: 'cart',
        destination_port: 80,
        backend_port: 8080,
        backend_address: '10.0.0.11',
      }),
      connection(WEB, {
        observation_point: 'client',
        service_name: 'cart',
        destination_port: 80,
        destination_endpoint_id: CART,
      }),
      ...[
        connection(HOST),
        connection(0n, { source_address: '203.0.113.7' }),
        connection(0n, { source_address: '10.9.9.9' }),
      ],
      ...[connection(MOVED), connection(MOVED, { time: BEGIN + 90n * SECOND })],
      connection(99n, { destination_port: 7777 }),
      // what a connection carries is told by its later rows
      ...opened({ destination_port: 9090 }, 'tls', 'tls'),
      connection(WEB, {
        destination_endpoint_id: BATCH,
        destination_port: 53,
        protocol: 17,
        application_protocol: 'empty',
      }),
    ]);
    const seen = asked(WEB, { http_path: '/items/1' });
    await scene.insert(REQUESTS, [
      ...[seen, clientView(seen)],
      ...times(2, () => asked(WEB, { http_path: '/items/2' })),
      ...times(5, () => asked(WEB, { operation: 'POST', http_path: '/orders' })),
      asked(WEB, { http_path: '/items/REDACTED' }),
      asked(WEB, { http_path: '/REDACTED/x' }),
      asked(WEB, { http_path: '/search', http_query: 'q=REDACTED' }),
      asked(WEB, { http_path: '/a//b' }),
      asked(WEB, { http_path: '/items/%2e%2e/x' }),
      asked(WEB, { http_path: '/admin', sample_weight: 4 }),
    ]);
  });
  after(() => scene?.close());

  async function check(drafts: string, current?: string, more = '') {
    const body = { drafts: yaml(drafts), ...(current === undefined ? {} : { current: yaml(current) }) };
    const answer = await scene.post(`/v1/policy/check?${window(300)}${more}`, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Record<string, never> & { data: ChangeRow[]; connections: Record<string, string> };
  }
  const told = (rows: readonly ChangeRow[]) =>
    rows
      .map(({ what, change, count, source_workload, destination_workload, destination_port, after }) =>
        [what, change, count, source_workload, '->', destination_workload, destination_port, after.reason ?? '']
          .join(' ')
          .trim(),
      )
      .sort();

  it('tells by workload which connections would be denied, each once, and by which policy', async () => {
    const answer = await check(FROM_WEB);
    assert.deepEqual(told(answer.data), [
      // 4, both ends twice as 1, 1 from before, 3 by weight, 1 unanswered, 1 by the service
      'connections to_denied 1 moved -> cart 8080',
      'connections to_denied 1 sshd -> cart 8080',
      'connections to_denied 12 batch -> cart 8080',
      'connections to_denied 2  -> cart 8080',
      'connections unknown 1  -> cart 7777 labels',
      'connections unknown 1 web -> cart 80 service',
    ]);
    const batch = answer.data.find(({ source_workload }) => source_workload === 'batch');
    const { verdict, direction, policy_kind, policy_name, rule_path } = batch?.after ?? {};
    assert.deepEqual(
      [batch?.before.verdict, verdict, direction, policy_kind, policy_name, rule_path],
      ['allowed', 'denied', 'ingress', 'NetworkPolicy', 'cart', null],
    );
    assert.equal(batch?.examples.length, 1, 'one of what is alike');
    assert.equal(batch?.examples[0]?.source, 'jobs/batch-0');
    assert.equal(batch?.examples[0]?.destination, 'shop/cart-0:8080');
    assert.equal(answer.compared_with, 'nothing');
    assert.deepEqual(
      Object.entries(answer.connections).filter(([, count]) => count !== '0'),
      [
        ['allowed_to_allowed', '6'],
        ['allowed_to_denied', '16'],
        ['allowed_to_unknown', '2'],
      ],
    );
    assert.deepEqual(answer.evidence, {
      ...{ namespaces_without_rows: [], taken_as_outside: '1', requests_expired_before: null },
    });
  });

  it('a draft takes the place of the policy of its name, and what that denied comes back', async () => {
    const denying = networkPolicy('cart', '{podSelector: {matchLabels: {app: cart}}}');
    const answer = await check(FROM_WEB, denying, '&examples=0');
    assert.deepEqual(told(answer.data), [
      'connections to_allowed 1 moved -> cart 8080',
      'connections to_allowed 1 web -> cart 9090',
      'connections to_allowed 3 web -> cart 8080',
      'connections unknown 1  -> cart 7777 labels',
      'connections unknown 1 web -> cart 80 service',
    ]);
    assert.equal(answer.data[0]?.before.policy_name, 'cart');
    assert.equal(answer.data[0]?.after.rule_path, 'spec.ingress[0]');
    assert.deepEqual(answer.data[0]?.examples, []);
    assert.equal(answer.compared_with, 'current');
  });

  it('requests are judged by HTTP rules as far as what is stored tells', async () => {
    const answer = await check(
      http(
        '{method: GET, path: "/items/.*"}, {path: "/admin", headers: [X-Token]}, {path: "/search[?]q=.*"}, {path: /x/x}',
      ),
      undefined,
      '&examples=1',
    );
    assert.deepEqual(told(answer.data.filter(({ what }) => what === 'requests')), [
      'requests to_denied 2 web -> cart 8080 unjudged',
      'requests to_denied 5 web -> cart 8080',
      'requests unknown 1 web -> cart 8080 redacted',
      'requests unknown 4 web -> cart 8080 headers',
    ]);
    const denied = answer.data.find(({ what, count }) => what === 'requests' && count === '5');
    assert.equal(denied?.examples[0]?.request, 'POST shop.example/orders');
    assert.equal(denied?.after.policy_name, 'cart-http');
    const { requests } = answer as unknown as { requests: Record<string, string> };
    // items 1 and 2 twice, one with a hidden word, and the search
    assert.equal(requests.allowed_to_allowed, '5');
    assert.equal(answer.connections.allowed_to_allowed, '6', 'of web and moved, and the one to batch');
  });

  it('connections that carry no HTTP/1 are denied where requests are judged', async () => {
    const tls = http('{}').replace('"8080"', '"9090"');
    const answer = await check(tls);
    assert.equal(answer.connections.allowed_to_allowed, '1', 'the one to batch');
    const from = networkPolicy('cart', '{podSelector: {matchLabels: {app: cart}}}');
    const draft = tls.replace('name: cart-http', 'name: other');
    const denied = await check(draft, from);
    assert.deepEqual(
      denied.data.filter(({ destination_port }) => destination_port === 9090),
      [],
      'denied before and after',
    );
    assert.ok(
      told(answer.data).includes('connections to_denied 1 web -> cart 9090 not_http1'),
      told(answer.data).join('\n'),
    );
  });

  it('what hangs on labels that nobody told is not known, and known once they are', async () => {
    const byTeam = networkPolicy(
      'cart',
      '{podSelector: {matchLabels: {app: cart}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]}',
    );
    const unknown = await check(byTeam);
    assert.ok(told(unknown.data).includes('connections unknown 12 batch -> cart 8080 labels'));
    const namespaces = ['jobs', 'shop'].map(
      (name) =>
        `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {team: ${name === 'jobs' ? 'a' : 'b'}}}\n`,
    );
    const known = await check([byTeam, ...namespaces].join('---\n').replace('---\n---', '---'));
    assert.deepEqual(told(known.data), [
      'connections to_denied 1 sshd -> cart 8080',
      'connections to_denied 1 web -> cart 9090',
      'connections to_denied 2  -> cart 8080',
      'connections to_denied 2 moved -> cart 8080',
      'connections to_denied 3 web -> cart 8080',
      'connections unknown 1  -> cart 7777 labels',
      'connections unknown 1 web -> cart 80 service',
    ]);
  });

  it('networks are asked of the addresses that rows have', async () => {
    const block = networkPolicy(
      'cart',
      '{podSelector: {matchLabels: {app: cart}}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: 10.0.0.12/32}}]}]}',
    );
    const rows = told((await check(block)).data);
    assert.ok(rows.includes('connections to_denied 1  -> cart 8080'), 'the other one is from the network');
    assert.ok(!rows.some((row) => row.includes('batch')), rows.join('\n'));
  });

  it('of one namespace, and as many rows as are asked for', async () => {
    const answer = await check(FROM_WEB, undefined, '&namespace=jobs&limit=1');
    assert.deepEqual(told(answer.data), ['connections to_denied 12 batch -> cart 8080']);
    const one = await check(FROM_WEB, undefined, '&limit=1');
    assert.equal(one.data.length, 1);
    assert.equal(one.changes, 6);
  });

  it('says how each draft stands, and of which namespaces nothing was seen', async () => {
    const answer = await check(
      `${networkPolicy('quiet', '{podSelector: {}}', 'idle')}${FROM_WEB.replace('podSelector:', 'podSelektor:')}`,
    );
    const { drafts, evidence } = answer as unknown as {
      drafts: Record<string, unknown>[];
      evidence: Record<string, unknown>;
    };
    assert.deepEqual(
      drafts.map(({ name, accepted, reason }) => [name, accepted, reason]),
      [
        ['quiet', true, 'Accepted'],
        ['cart', false, 'UnknownField'],
      ],
    );
    assert.deepEqual(evidence.namespaces_without_rows, ['idle']);
    assert.deepEqual(told(answer.data), ['connections unknown 1  -> cart 7777 labels'], 'it may be of that namespace');
  });

  const BAD: readonly (readonly [title: string, path: string, body: unknown, code: string])[] = [
    ['no drafts', '', { drafts: [] }, 'FLOW_QUERY_BAD_VALUE'],
    ['drafts that are no list', '', { drafts: {} }, 'FLOW_QUERY_BAD_VALUE'],
    ['a field that is not known', '', { drafts: [{}], more: 1 }, 'FLOW_QUERY_BAD_VALUE'],
    ['a list', '', [], 'FLOW_QUERY_BAD_REQUEST'],
    ['a parameter that is not known', '?workload=a', { drafts: [{}] }, 'FLOW_QUERY_UNKNOWN_PARAMETER'],
    ['too many examples', '?examples=21', { drafts: [{}] }, 'FLOW_QUERY_BAD_VALUE'],
  ];
  for (const [title, query, body, code] of BAD)
    it(`refuses ${title}`, async () => {
      const { status, body: problem } = await scene.post(`/v1/policy/check${query}`, body);
      assert.deepEqual([status, problem.code], [400, code]);
    });

  it('refuses what is no JSON, and what is too long', async () => {
    const url = `${scene.url}/v1/policy/check`;
    const send = async (body: string, type = 'application/json') =>
      (await fetch(url, { method: 'POST', headers: { 'content-type': type }, body })).status;
    assert.equal(await send('{'), 400);
    assert.equal(await send('a: b', 'text/yaml'), 415);
    assert.equal(await send(`{"drafts": ["${'x'.repeat(17 * 1024 ** 2)}"]}`), 413);
  });
});
