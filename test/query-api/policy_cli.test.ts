/** `flowspan policy check` as it is run. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ENDPOINTS, FLOWS } from '../../store/tables.ts';
import { BEGIN, endpoint, flow, SECOND } from './rows.ts';
import { Scene } from './scene.ts';

const CLI = join(import.meta.dirname, '../../query-api/cli/flowspan.ts');
const policy = (spec: string, name = 'cart') =>
  JSON.stringify({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'shop' } },
    spec: JSON.parse(spec),
  });
const FROM_WEB = policy(
  '{"podSelector": {"matchLabels": {"app": "cart"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}',
);
const NOBODY = policy('{"podSelector": {"matchLabels": {"app": "cart"}}}');

describe('flowspan policy check', () => {
  let scene: Scene;
  let folder: string;
  let api: Server;
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  before(async () => {
    scene = await Scene.start();
    folder = mkdtempSync(join(tmpdir(), 'fs-policy-'));
    const pod = (id: bigint, namespace: string, app: string) =>
      endpoint(id, app, {
        kind: 'pod',
        namespace,
        name: `${app}-0`,
        pod_uid: `uid-${id}`,
        service_account: app,
        labels: { app },
      });
    await scene.insert(ENDPOINTS, [pod(10n, 'shop', 'web'), pod(11n, 'shop', 'cart'), pod(12n, 'jobs', 'batch')]);
    const connection = (source: bigint, cookie: bigint) =>
      flow(10n * SECOND, {
        ...{ source_endpoint_id: source, destination_endpoint_id: 11n, destination_port: 8080, socket_cookie: cookie },
        ...{ interval_index: 0, source_basis: 'cgroup', destination_basis: 'cgroup' },
      });
    await scene.insert(FLOWS, [connection(10n, 1n), connection(10n, 2n), connection(12n, 3n)]);
    api = createServer((request, response) => {
      const path = request.url?.split('?')[0] ?? '';
      const page = new URL(request.url ?? '', 'http://a').searchParams.get('continue');
      const of = (items: unknown[], apiVersion: string, next = '') =>
        response.end(JSON.stringify({ apiVersion, metadata: { continue: next }, items }));
      if (path.includes('cilium.io') || path.includes('policy.networking')) return response.writeHead(404).end('{}');
      // the policy is on the second page
      if (path.endsWith('/networkpolicies'))
        return page === null ? of([], 'networking.k8s.io/v1', 'two') : of([JSON.parse(NOBODY)], 'networking.k8s.io/v1');
      return of([], 'v1');
    });
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    api?.close();
    await scene?.close();
    rmSync(folder, { recursive: true });
  });

  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      const flags = ['policy', ...args, '--server', scene.url];
      const own = { PATH: process.env.PATH, HOME: folder, ...env };
      execFile(process.execPath, [CLI, ...flags], { encoding: 'utf8', env: own }, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const since = String(BEGIN / SECOND);

  it('shows what would be denied, by whom, and says what it is compared with', async () => {
    const { status, stdout, stderr } = await run(['check', file('draft.yaml', FROM_WEB), '--since', since]);
    assert.equal(status, 1, stderr);
    assert.match(stdout, /^compared with nothing: there is neither --manifests nor a kubeconfig$/m);
    assert.match(
      stdout,
      /^WOULD BE DENIED.*\n +1 connections +jobs\/batch -> shop\/cart:8080\/TCP\n +ingress NetworkPolicy shop\/cart, no rule allows it\n.* jobs\/batch-0 -> shop\/cart-0:8080 +x1$/m,
    );
    assert.match(
      stdout,
      /^connections: 1 would be denied, 0 would be allowed, 2 stay allowed, 0 stay denied, 0 not known$/m,
    );
    assert.match(stdout, /^evidence: (?!complete)/m, 'no collector reported');
  });

  it('against manifests: what they denied and the draft allows', async () => {
    const args = ['check', file('draft.yaml', FROM_WEB), '--since', since, '--manifests', file('now.json', NOBODY)];
    const { status, stdout } = await run(args);
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^WOULD BE ALLOWED.*\n +2 connections +shop\/web -> shop\/cart:8080\/TCP\n +now: ingress NetworkPolicy shop\/cart, no rule allows it\n +then: ingress NetworkPolicy shop\/cart, spec\.ingress\[0\]$/m,
    );
    assert.doesNotMatch(stdout, /WOULD BE DENIED/);
    const { stdout: json } = await run([...args, '-o', 'json']);
    const { data, in_force, connections } = JSON.parse(json);
    assert.deepEqual([data.length, data[0].change, in_force], [1, 'to_allowed', join(folder, 'now.json')]);
    assert.deepEqual([connections.denied_to_allowed, connections.denied_to_denied], ['2', '1']);
  });

  it('against the API server, page by page, also where kinds are missing there', async () => {
    const { port } = api.address() as AddressInfo;
    const kubeconfig = file(
      'config',
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'a', users: [{ name: 'a', user: {} }] },
        clusters: [{ name: 'a', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
        contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
      }),
    );
    const draft = file('draft.yaml', FROM_WEB);
    const { status, stdout, stderr } = await run(['check', draft, '--since', since, '--kubeconfig', kubeconfig]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^compared with the API server/m);
    assert.match(stdout, /^connections: 0 would be denied, 2 would be allowed, 0 stay allowed, 1 stay denied/m);
    const { stdout: usual } = await run(['check', draft, '--since', since], { KUBECONFIG: kubeconfig });
    assert.match(usual, /^compared with the API server/m);
    const gone = file('gone', JSON.stringify({ kind: 'Config' }));
    const told = await run(['check', draft, '--since', since, '--kubeconfig', gone]);
    assert.equal(told.status, 2);
    assert.match(told.stderr, /^FLOW_KUBERNETES_CONFIG: /);
    const { stdout: without } = await run(['check', draft, '--since', since], { KUBECONFIG: gone });
    assert.match(
      without,
      /^compared with nothing: the Kubernetes API server cannot be reached/m,
      'nobody asked for it: it is said',
    );
  });

  it('a draft that is refused is told, and is an error', async () => {
    const broken = file('broken.yaml', FROM_WEB.replace('podSelector', 'podSelektor'));
    const { status, stdout } = await run(['check', broken, '--since', since]);
    assert.equal(status, 1);
    assert.match(stdout, /^draft NetworkPolicy shop\/cart: REFUSED UnknownField\. spec: /m);
  });

  it('wrong usage and what cannot be asked', async () => {
    const draft = file('draft.yaml', FROM_WEB);
    const ROWS: readonly (readonly [readonly string[], RegExp])[] = [
      [['check'], /^FLOW_CLI_USAGE: name one file/],
      [['replay', draft], /^FLOW_CLI_USAGE: 'replay'/],
      [['check', draft, '--nonsense'], /^FLOW_CLI_USAGE: /],
      [['check', draft, '--manifests', 'a', '--kubeconfig', 'b'], /^FLOW_CLI_USAGE: --manifests and --kubeconfig/],
      [
        ['check', file('other.yaml', 'kind: Deployment\napiVersion: apps/v1\nmetadata: {name: a}')],
        /^FLOW_POLICY_DRAFTS: there is no policy/,
      ],
      [['check', join(folder, 'none.yaml')], /^FLOW_POLICY_DRAFTS: .*; correct it/],
      [['check', draft, '--manifests', join(folder, 'none')], /^FLOW_POLICY_MANIFESTS: /],
      [['check', draft, '--since', 'yesterday'], /^FLOW_QUERY_BAD_VALUE: /],
    ];
    for (const [args, expected] of ROWS) {
      const { status, stderr } = await run(args);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, expected);
    }
    const { status, stdout } = await run(['--help']);
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: flowspan policy check/);
  });
});
