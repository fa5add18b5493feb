/**
 * A machine without an API server: a client, a service's address, a server behind it, and files that say who they are. What
 * the rows of a real request say of both ends is what stands in the files, and changes with them; a broken file changes
 * nothing and is told.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import type { Program } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, temporaryFolder, whyNot } from '../support/flowspan.ts';
import { askAs, playServer } from '../support/kubernetes/played_pods.ts';

const NODE = 'node-1';
const CLIENT = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const SERVER = '1f2e3d4c-aaaa-4bbb-8ccc-000000000002';
const PORT = 8080;

/** As the collector's GET /status has it. */
interface Status {
  readonly manifests: { readonly files: number; readonly refused: number; readonly objects: Record<string, number> };
  readonly dataplane: {
    readonly policy: string;
    readonly conditions: readonly { readonly kind: string; readonly name: string; readonly reason: string }[];
  };
}

describe('files in the place of an API server', { skip: whyNot() ?? false }, () => {
  const directory = join(temporaryFolder(), 'manifests');
  const namespaces: Namespace[] = [];
  let root: Cgroup;
  let flowspan: Flowspan;
  let server: Program;
  let addresses: { readonly client: string; readonly server: string };
  let asked: (path: string) => Promise<string[]>;

  const pod = (name: string, uid: string, podIP: string) => ({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', uid, labels: { app: name } } },
    ...{ spec: { nodeName: NODE }, status: { podIP } },
  });
  const write = (name: string, ...items: readonly object[]): void =>
    writeFileSync(join(directory, name), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const status = async (): Promise<Status> => (await (await fetch(`${flowspan.collectorUrl}/status`)).json()) as Status;
  /** Names of both ends of a request, at the points where it was seen. */
  const ends = async (path: string): Promise<string[]> => {
    await flowspan.settled();
    const rows = await flowspan.query<{ line: string }>(
      `SELECT concat(toString(observation_point), ' ', source_kind, ' ', source_namespace, '/', source_name, ' -> ',
         destination_kind, ' ', destination_namespace, '/', destination_name, ' ', service_name) AS line
       FROM requests_named WHERE http_path = '${path}' ORDER BY line`,
    );
    return rows.map(({ line }) => line.trim());
  };

  before(async () => {
    mkdirSync(directory);
    root = createCgroup();
    const pods = createCgroup(createCgroup(root.path, 'kubepods').path, 'besteffort');
    const place = (uid: string) => {
      const namespace = createNamespace();
      namespaces.push(namespace);
      return { namespace, cgroup: createCgroup(pods.path, `pod${uid}`) };
    };
    const [client, backend] = [place(CLIENT), place(SERVER)];
    const pair = connect(client.namespace, backend.namespace);
    addresses = { client: pair.a.ipv4, server: pair.b.ipv4 };
    write('client.json', pod('front', CLIENT, addresses.client));
    write('server.json', pod('back', SERVER, addresses.server));
    server = await playServer(backend, 'back', PORT);
    asked = (path) => askAs(client, [`http://${addresses.server}:${PORT}${path}`]);
    const env = { FLOWSPAN_MANIFESTS: directory, FLOWSPAN_NODE: NODE, FLOWSPAN_DATAPLANE_POLICY: 'audit' };
    flowspan = await startFlowspan({ cgroup: root, env });
  });
  after(async () => {
    await flowspan?.stop();
    await server?.stop('SIGKILL');
    for (const namespace of namespaces) namespace.remove();
    root?.remove();
  });

  it('name both ends of a request, at both of its ends', async () => {
    assert.deepEqual(await asked('/first'), ['back']);
    const wanted = ['client', 'server'].map((point) => `${point} pod shop/front -> pod shop/back`);
    assert.deepEqual(await ends('/first'), wanted);
  });

  it('name the service whose address is dialled, as soon as they say so', async () => {
    const spec = { clusterIP: addresses.server, ports: [{ port: PORT }] };
    write('service.json', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'back', namespace: 'shop' }, spec });
    await eventually('the service to be in use', async () => (await status()).manifests.objects.Service === 1);
    await asked('/second');
    assert.equal((await ends('/second'))[0], 'client pod shop/front -> pod shop/back back');
  });

  it('are kept where one is broken, and that is told', async () => {
    writeFileSync(join(directory, 'client.json'), '{"apiVersion": "v1",');
    await eventually('the broken file to be told', async () => (await status()).manifests.refused > 0);
    const { conditions } = (await status()).dataplane;
    assert.deepEqual(
      conditions.slice(0, 3).map(({ kind, name, reason }) => `${kind} ${name} ${reason}`),
      ['File client.json InvalidJson', 'Pod front LastGood', 'Dataplane policy Attached'],
    );
    await asked('/third');
    assert.equal((await ends('/third'))[0], 'client pod shop/front -> pod shop/back back');
    assert.match(flowspan.output(), /FLOW_MANIFESTS_REFUSED/);
    assert.match(flowspan.output(), /the data plane is attached/);
    const metrics = await (await fetch(`${flowspan.collectorUrl}/metrics`)).text();
    assert.match(metrics, /^flowspan_manifests_refused 2$/m);
    assert.match(metrics, /^flowspan_manifests_objects\{kind="Pod"\} 2$/m);
  });
});
