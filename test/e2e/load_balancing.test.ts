/**
 * Services of files, balanced by a real collector: curl dials a service's address, an nginx behind it answers, and the rows
 * say which service that was, which backend was chosen and why.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace, type Pair } from '../../deploy/lab/namespace.ts';
import { type Place, type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, temporaryFolder, whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';

const NODE = 'node-1';
const CLIENT = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const SERVER = '1f2e3d4c-aaaa-4bbb-8ccc-000000000002';
const BACKENDS = [8081, 8082] as const;
/** Sends back what it hears on both ports; asks at an address, and prints what comes back, from where. */
const ECHO = `import selectors, socket
waiting = selectors.DefaultSelector()
for port in (${BACKENDS.join(', ')}):
  heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  heard.bind(("0.0.0.0", port))
  waiting.register(heard, selectors.EVENT_READ)
while True:
  for key, _ in waiting.select():
    said, peer = key.fileobj.recvfrom(100)
    key.fileobj.sendto(said, peer)`;
const ASK = (address: string) => `import socket
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
asking.sendto(b"word", ("${address}", 53))
said, peer = asking.recvfrom(100)
print(said.decode(), peer[0], peer[1])`;
/** By namespace; each has a service `web` of both families and a service `none` without backends. */
const VIP = { shop: ['10.96.0.10', 'fd00:96::10'], trial: ['10.96.1.10', 'fd00:96:1::10'] } as const;
const NONE = '10.96.0.20';

interface Row {
  readonly service: string;
  readonly frontend: string;
  readonly backend: string;
  readonly lb_reason: string;
  readonly lb_mode: string;
  readonly lb_slot: number;
  readonly lb_candidates: number;
  readonly lb_table_version: number;
}

describe('services that are balanced', { skip: whyNot() ?? false }, () => {
  const directory = join(temporaryFolder(), 'manifests');
  const namespaces: Namespace[] = [];
  const servers: Nginx[] = [];
  let echo: Program;
  let client: Place & { readonly namespace: Namespace };
  let root: Cgroup;
  let pair: Pair;
  let flowspan: Flowspan;

  const write = (name: string, ...items: readonly object[]): void =>
    writeFileSync(join(directory, name), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const pod = (name: string, uid: string, podIP: string) => ({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', uid, labels: { app: name } } },
    ...{ spec: { nodeName: NODE }, status: { podIP } },
  });
  const service = (namespace: string, name: string, clusterIPs: readonly string[]) => ({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace } },
    spec: {
      clusterIPs,
      clusterIP: clusterIPs[0],
      ports: [
        { name: 'http', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  });
  const slice = (namespace: string, address: string, port: number) => ({
    ...{
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    },
    metadata: {
      ...{ name: `web-${port}-${address.includes(':') ? 6 : 4}`, namespace },
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    ports: [
      { name: 'http', port },
      { name: 'dns', port, protocol: 'UDP' },
    ],
    endpoints: [{ addresses: [address], nodeName: NODE }],
  });
  const writeBackends = (ports: readonly number[]): void => {
    const addresses = [pair.b.ipv4, pair.b.ipv6];
    const of = (namespace: string) => ports.flatMap((port) => addresses.map((each) => slice(namespace, each, port)));
    write('backends.json', ...of('shop'), ...of('trial'));
  };
  const curl = (path: string, host: string): Promise<string> =>
    run(client, ['curl', '-sS', '-m', '5', `http://${host.includes(':') ? `[${host}]` : host}${path}`]);
  const entries = async (map: string): Promise<number> => {
    const text = await (await fetch(`${flowspan.collectorUrl}/metrics`)).text();
    return Number(new RegExp(`^flowspan_service_entries\\{map="${map}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  const choices = async (labels: string): Promise<number> => {
    const text = await (await fetch(`${flowspan.collectorUrl}/metrics`)).text();
    return Number(new RegExp(`^flowspan_service_choices_total\\{${labels}\\} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  const flows = async (condition: string): Promise<Row[]> => {
    await flowspan.settled();
    return await flowspan.query<Row>(
      `SELECT concat(service_namespace, '/', service_name, ':', toString(service_port)) AS service,
         concat(replaceOne(toString(frontend_address), '::ffff:', ''), ' ', toString(frontend_port)) AS frontend,
         concat(replaceOne(toString(backend_address), '::ffff:', ''), ' ', toString(backend_port)) AS backend,
         toString(lb_reason) AS lb_reason, toString(lb_mode) AS lb_mode, lb_slot, lb_candidates, lb_table_version
       FROM flows WHERE flow_state = 'closed' AND ${condition} ORDER BY time`,
    );
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
    client = place(CLIENT);
    const server = place(SERVER);
    pair = connect(client.namespace, server.namespace);
    const answer = (port: number) => `location /who/ { return 200 "${port}"; }`;
    for (const port of BACKENDS) servers.push(await startNginx(server, { port, workers: 1, locations: answer(port) }));
    echo = start(server, ['python3', '-c', ECHO]);
    write('pods.json', pod('front', CLIENT, pair.a.ipv4), pod('back', SERVER, pair.b.ipv4));
    const webs = Object.entries(VIP).map(([namespace, vips]) => service(namespace, 'web', vips));
    write('services.json', ...webs, service('shop', 'none', [NONE]));
    writeBackends(BACKENDS);
    flowspan = await startFlowspan({
      cgroup: root,
      env: {
        ...{ FLOWSPAN_MANIFESTS: directory, FLOWSPAN_NODE: NODE, FLOWSPAN_DATAPLANE_LOAD_BALANCING: 'enforce' },
        FLOWSPAN_DATAPLANE_NAMESPACES: '{trial: {load_balancing: audit}, other: {load_balancing: observe}}',
      },
    });
    await eventually('the backends to be in the kernel', async () => (await entries('service_backends')) === 16);
  });
  after(async () => {
    await flowspan?.stop();
    await echo?.stop();
    for (const each of servers) await each.stop();
    for (const namespace of namespaces) namespace.remove();
    root?.remove();
  });

  it('say of each connection which backend was chosen, from how many, and why', async () => {
    const answers = new Map<string, number>();
    for (let time = 0; time < 40; time += 1) {
      const port = await curl('/who/many', VIP.shop[0]);
      answers.set(port, (answers.get(port) ?? 0) + 1);
    }
    assert.deepEqual([...answers.keys()].toSorted(), BACKENDS.map(String), 'both answer');
    const rows = await flows("lb_mode = 'enforce' AND ip_version = 4 AND observation_point = 'client'");
    assert.equal(rows.length, 40);
    const told = new Map<string, number>();
    for (const { backend, lb_slot, lb_table_version, ...rest } of rows) {
      const frontend = `${VIP.shop[0]} 80`;
      const expected = { service: 'shop/web:80', frontend, lb_reason: 'hash', lb_mode: 'enforce', lb_candidates: 2 };
      assert.deepEqual(rest, expected);
      assert.ok(lb_slot >= 0 && lb_table_version > 0, `${lb_slot} ${lb_table_version}`);
      const port = backend.replace(`${pair.b.ipv4} `, '');
      told.set(port, (told.get(port) ?? 0) + 1);
    }
    assert.deepEqual(told, answers, 'as many as each has answered');
    assert.equal(await choices('reason="hash",mode="enforce"'), 40);
  });

  it('are named by the rows of both ends, and by their requests', async () => {
    const answered = await curl('/who/both', VIP.shop[1]);
    await flowspan.settled();
    const rows = await flowspan.query(
      `SELECT toString(observation_point) AS point, service_namespace, service_name, service_port, backend_port,
         destination_name, source_name FROM requests_named WHERE http_path = '/who/both' ORDER BY point`,
    );
    const expected = (point: string) => ({
      ...{ point, service_namespace: 'shop', service_name: 'web', service_port: 80, backend_port: Number(answered) },
      ...{ destination_name: 'back', source_name: 'front' },
    });
    assert.deepEqual(rows, [expected('client'), expected('server')]);
    const [six] = await flows("ip_version = 6 AND lb_mode = 'enforce'");
    assert.deepEqual([six?.frontend, six?.backend], [`${VIP.shop[1]} 80`, `${pair.b.ipv6} ${answered}`]);
  });

  it('answer datagrams of a socket that is not connected, as from where they were sent', async () => {
    assert.equal((await run(client, ['python3', '-c', ASK(VIP.shop[0])])).trim(), `word ${VIP.shop[0]} 53`);
    const rows = await eventually('a row of it', async () => {
      await flowspan.settled();
      const found = await flowspan.query<Row>(
        `SELECT DISTINCT concat(service_namespace, '/', service_name, ':', toString(service_port)) AS service,
           toString(lb_reason) AS lb_reason, lb_candidates, backend_port = destination_port AS is_backend
         FROM flows WHERE protocol = 17 AND frontend_port = 53 AND observation_point = 'client'`,
      );
      return found.length > 0 && found;
    });
    assert.deepEqual(rows, [{ service: 'shop/web:53', lb_reason: 'hash', lb_candidates: 2, is_backend: 1 }]);
  });

  it('are not touched in a namespace that only audits, and what would be chosen is told', async () => {
    // Else the kernel would know no way there, and nothing would begin.
    client.namespace.run('ip', 'route', 'replace', 'local', VIP.trial[0], 'dev', 'lo');
    await assert.rejects(curl('/who/audited', VIP.trial[0]), /Connection refused|Failed to connect|Could not connect/);
    const [row] = await flows("lb_mode = 'audit'");
    const { lb_reason, lb_candidates, frontend, service: name, backend } = row!;
    assert.deepEqual([lb_reason, lb_candidates, frontend], ['hash', 2, `${VIP.trial[0]} 80`]);
    assert.deepEqual([name, backend], ['trial/web:80', ':: 0'], 'the service is dialled, and leads nowhere');
  });

  it('bring no new connection to a backend that has left, and end none that is there', async () => {
    const held = run(client, ['curl', '-sS', '--limit-rate', '20k', `http://${VIP.shop[0]}/static/100000.txt`], 30_000);
    writeBackends([BACKENDS[1]]);
    await eventually('the backend to leave', async () => (await entries('service_backends')) === 8);
    for (let time = 0; time < 10; time += 1) assert.equal(await curl('/who/left', VIP.shop[0]), String(BACKENDS[1]));
    await held;
    const rows = await flows(`lb_reason = 'only_one' AND lb_candidates = 1 AND ip_version = 4`);
    assert.equal(rows.length, 10);
    const [before] = await flows("lb_reason = 'hash' AND lb_mode = 'enforce'");
    assert.ok(rows[0]!.lb_table_version > before!.lb_table_version, 'another version of the table');
  });

  it('refuse at once where they have no backend', async () => {
    const began = performance.now();
    await assert.rejects(curl('/who/none', NONE), /Connection refused|Failed to connect|Could not connect/);
    assert.ok(performance.now() - began < 2000);
    assert.equal(await choices('reason="no_backend",mode="enforce"'), 1);
    const rows = await eventually('a row of it', async () => {
      const found = await flows("lb_reason = 'no_backend' AND verdict = 'DROPPED' AND close_cause = 'refused'");
      return found.length > 0 && found;
    });
    const { service: name, frontend, backend } = rows[0]!;
    assert.deepEqual([rows.length, name, frontend, backend], [1, 'shop/none:80', `${NONE} 80`, ':: 0']);
    const [who] = await flowspan.query(
      "SELECT source_name, command FROM flows_named WHERE lb_reason = 'no_backend' AND error_number = 111",
    );
    assert.deepEqual(who, { source_name: 'front', command: 'curl' });
  });
});
