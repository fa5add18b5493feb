/** The ways to prove who asks, each against a real API server with RBAC. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { KubernetesApi } from '../../../collector/src/control/kubernetes/api.ts';
import { type CredentialOptions, Credentials } from '../../../collector/src/control/kubernetes/credentials.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../../support/kubernetes/find.ts';
import { reflect } from './support/mirror.ts';

const NODES = { path: '/api/v1/nodes' };
const PATIENCE_MS = 60_000;
const SERVICE_ACCOUNT = 'var/run/secrets/kubernetes.io/serviceaccount';

describe('credentials for a real API server', { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let token: string;

  before(async () => {
    plane = await startControlPlane();
    token = await plane.serviceAccountToken('flowspan', 'collector');
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    const metadata = { name: 'collector' };
    const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] }];
    await plane.admin.create({ apiVersion, kind: 'ClusterRole', metadata, rules });
    await plane.admin.create({
      ...{ apiVersion, kind: 'ClusterRoleBinding', metadata },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'collector' },
      subjects: [{ kind: 'ServiceAccount', name: 'collector', namespace: 'flowspan' }],
    });
    await plane.admin.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } });
  });

  after(() => plane?.stop());

  /** A kubeconfig with this user, and perhaps another way to reach the server. */
  function kubeconfig(name: string, user: object, cluster: object = {}): string {
    const path = join(plane.folder, `${name}.kubeconfig`);
    const all = {
      clusters: [
        {
          name: 'c',
          cluster: { server: plane.url, 'certificate-authority': plane.keys.file('authority.crt'), ...cluster },
        },
        { name: 'nowhere', cluster: { server: 'https://127.0.0.1:1' } },
      ],
      users: [{ name, user }],
      contexts: [
        { name: 'elsewhere', context: { cluster: 'nowhere', user: name } },
        { name: 'here', context: { cluster: 'c', user: name } },
      ],
      'current-context': 'elsewhere',
    };
    writeFileSync(path, JSON.stringify(all));
    return path;
  }

  /** What becomes of a reflector with these credentials: its log's codes if it does not sync. */
  async function outcome(options: CredentialOptions, answerMs?: number, resource = NODES): Promise<string> {
    const api = new KubernetesApi(new Credentials(options, answerMs), 'flowspan-test');
    const { reflector, mirror, logged, stop } = reflect(api, resource);
    try {
      await eventually('an outcome', () => reflector.state.synced || logged.length > 0, PATIENCE_MS);
    } finally {
      await stop();
      api.close();
    }
    return reflector.state.synced ? mirror.names.join() : `${logged[0]?.code}: ${logged[0]?.msg}`;
  }

  it('are a client certificate, in files or in the kubeconfig itself', async () => {
    const [cert, key] = [plane.keys.file('admin.crt'), plane.keys.file('admin.key')];
    const files = kubeconfig('files', { 'client-certificate': cert, 'client-key': key });
    const base64 = (path: string): string => readFileSync(path).toString('base64');
    const inside = kubeconfig(
      'inside',
      { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) },
      { 'certificate-authority': undefined, 'certificate-authority-data': base64(plane.keys.file('authority.crt')) },
    );
    assert.equal(await outcome({ kubeconfig: files, context: 'here' }), 'node-1');
    assert.equal(await outcome({ kubeconfig: inside, context: 'here' }), 'node-1');
  });

  it('are a bearer token, which opens what its role says and no more', async () => {
    const path = kubeconfig('bearer', { token });
    assert.equal(await outcome({ kubeconfig: path, context: 'here' }), 'node-1');
    const refused = await outcome({ kubeconfig: path, context: 'here' }, undefined, { path: '/api/v1/secrets' });
    assert.match(refused, /^FLOW_KUBERNETES_ANSWER: \/api\/v1\/secrets is answered with 403 Forbidden .*role/);
    const nobody = kubeconfig('nobody', { token: 'wrong' });
    assert.match(
      await outcome({ kubeconfig: nobody, context: 'here' }),
      /^FLOW_KUBERNETES_ANSWER: .* 401 Unauthorized .*token/,
    );
  });

  it('are what an exec plugin prints, if it does so in time', async () => {
    const plugin = join(plane.folder, 'plugin.sh');
    const status = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } };
    writeFileSync(
      plugin,
      `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" >"$0.info"\n[ "$HOW" = hang ] && echo $$ >"$0.pid" && sleep 1000\n[ "$HOW" = fail ] && echo 'log in first' >&2 && exit 1\necho '${JSON.stringify(status)}'\n`,
    );
    chmodSync(plugin, 0o755);
    const user = (how: string) => ({
      exec: {
        apiVersion: status.apiVersion,
        command: plugin,
        env: [{ name: 'HOW', value: how }],
        interactiveMode: 'Never',
      },
    });
    assert.equal(await outcome({ kubeconfig: kubeconfig('exec', user('work')), context: 'here' }), 'node-1');
    const info = JSON.parse(readFileSync(`${plugin}.info`, 'utf8')) as object;
    assert.deepEqual(info, { apiVersion: status.apiVersion, kind: 'ExecCredential', spec: { interactive: false } });
    assert.match(
      await outcome({ kubeconfig: kubeconfig('fail', user('fail')), context: 'here' }),
      /^FLOW_KUBERNETES_CONFIG: .*log in first/,
    );
    const hangs = kubeconfig('hang', user('hang'));
    // Long enough that the plugin has begun, on a busy machine too.
    const said = await outcome({ kubeconfig: hangs, context: 'here' }, 8000);
    assert.match(said, /^FLOW_KUBERNETES_CONFIG: .*8 s without an answer/);
    const gone = () => !existsSync(`/proc/${readFileSync(`${plugin}.pid`, 'utf8').trim()}`);
    await eventually('the plugin to be gone', gone);
    rmSync(`${plugin}.pid`);
    const credentials = new Credentials({ kubeconfig: hangs, context: 'here' });
    const asked = assert.rejects(credentials.get(), { code: 'FLOW_KUBERNETES_CONFIG' });
    await eventually('the plugin', () => existsSync(`${plugin}.pid`), PATIENCE_MS);
    credentials.close();
    await asked;
    await eventually('the plugin to be gone', gone);
  });

  it('are the token of the pod it runs in, read again whenever it is needed', async () => {
    const root = join(plane.folder, 'root');
    mkdirSync(join(root, SERVICE_ACCOUNT), { recursive: true });
    const file = (name: string): string => join(root, SERVICE_ACCOUNT, name);
    writeFileSync(file('ca.crt'), readFileSync(plane.keys.file('authority.crt')));
    writeFileSync(file('token'), 'not yet valid\n');
    const { hostname, port } = new URL(plane.url);
    const before = { ...process.env };
    Object.assign(process.env, { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port });
    const api = new KubernetesApi(new Credentials({ root }), 'flowspan-test');
    const { reflector, mirror, logged, stop } = reflect(api, NODES, { timing: { watchSeconds: 2 }, random: () => 0 });
    try {
      await eventually('the refusal', () => logged.length > 0, PATIENCE_MS);
      assert.match(logged[0]!.msg, / 401 /);
      writeFileSync(file('token'), `${token}\n`);
      await eventually('the list', () => reflector.state.synced, PATIENCE_MS);
      assert.deepEqual(mirror.names, ['node-1']);
      rmSync(file('token'));
      await eventually('the loss', () => logged.some(({ code }) => code === 'FLOW_KUBERNETES_CONFIG'), PATIENCE_MS);
      writeFileSync(file('token'), token);
      await plane.admin.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-2' } });
      await eventually('the change', () => mirror.names.includes('node-2'), PATIENCE_MS);
      assert.equal(reflector.state.relists, 0);
    } finally {
      await stop();
      api.close();
      process.env = before;
    }
  });

  it('are in the file that a kubeconfig names, before its token', async () => {
    writeFileSync(join(plane.folder, 'token'), `${token}\n`);
    const file = kubeconfig('tokenfile', { token: 'old', tokenFile: 'token' });
    assert.equal(await outcome({ kubeconfig: file, context: 'here' }), 'node-1,node-2');
  });

  it('go through the proxy that a kubeconfig names', async () => {
    const asked: string[] = [];
    const proxy = createServer().on('connect', (request, socket, head) => {
      asked.push(request.url!);
      const [host, port] = request.url!.split(':');
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      for (const end of [onward, socket]) end.on('error', () => onward.destroy());
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const through = kubeconfig('proxied', { token }, { 'proxy-url': url });
    assert.equal(await outcome({ kubeconfig: through, context: 'here' }), 'node-1,node-2');
    assert.equal(asked[0], new URL(plane.url).host);
    proxy.close();
  });

  it('do not go to a server that nobody vouches for', async () => {
    const user = { token };
    const untrusted = kubeconfig('untrusted', user, { 'certificate-authority': undefined });
    assert.match(
      await outcome({ kubeconfig: untrusted, context: 'here' }),
      /^FLOW_KUBERNETES_CONNECTION: .*certificate/,
    );
    const unchecked = kubeconfig('unchecked', user, {
      'certificate-authority': undefined,
      'insecure-skip-tls-verify': true,
    });
    assert.equal(await outcome({ kubeconfig: unchecked, context: 'here' }), 'node-1,node-2');
  });

  it('are missed with a word about where they should be', async () => {
    const config = /^FLOW_KUBERNETES_CONFIG: the Kubernetes API server cannot be reached by /;
    assert.match(await outcome({ kubeconfig: '/nonexistent' }), config);
    assert.match(await outcome({ kubeconfig: kubeconfig('x', {}), context: 'other' }), /no context 'other'/);
    assert.match(
      await outcome({ kubeconfig: kubeconfig('x', {}, { 'proxy-url': 'socks5://x' }), context: 'here' }),
      /proxy-url socks5:\/\/x: only http and https/,
    );
  });
});
