/**
 * One address, three owners: two pods in their node's network and a process outside of Kubernetes. Every one asks every
 * one, itself included, over that address; rows at both ends tell which of them it was.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, whyNot } from '../support/flowspan.ts';
import { type ControlPlane, startControlPlane } from '../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../support/kubernetes/find.ts';
import { askAs, PLAYED_NAMESPACE, type PlayedPods, playPods, playServer } from '../support/kubernetes/played_pods.ts';

const ADDRESS = '192.0.2.1';
/** Who listens where. */
const PORTS = { agent: 8081, guard: 8082, 'web.service': 8083 } as const;
const NAMES = Object.keys(PORTS) as (keyof typeof PORTS)[];

describe('an address that a node shares', { skip: whyNot() ?? whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let pods: PlayedPods;
  let network: Namespace;
  let flowspan: Flowspan;

  before(async () => {
    plane = await startControlPlane();
    pods = await playPods(plane.admin);
    const node = await pods.createNode('node1');
    const addresses = [{ type: 'InternalIP', address: ADDRESS }];
    await plane.admin.patch('/api/v1/nodes/node1/status', { status: { addresses } });
    network = createNamespace();
    network.run('ip', 'addr', 'add', `${ADDRESS}/32`, 'dev', 'lo');
    const env = { FLOWSPAN_KUBERNETES_KUBECONFIG: plane.kubeconfig, FLOWSPAN_NODE: node.name };
    flowspan = await startFlowspan({ cgroup: node.cgroup, env });
    const inNetwork = (name: 'agent' | 'guard') =>
      pods.createPod(node, name, { address: ADDRESS, port: PORTS[name], hostNetwork: network });
    const [agent, guard] = [await inNetwork('agent'), await inNetwork('guard')];
    const unit = createCgroup(createCgroup(node.cgroup.path, 'system.slice').path, 'web.service');
    const outside = { namespace: network, cgroup: unit };
    await playServer(outside, 'web.service', PORTS['web.service']);
    const urls = (client: string) => NAMES.map((name) => `http://${ADDRESS}:${PORTS[name]}/${client}/${name}`);
    const answers = [
      await agent.ask(...urls('agent')),
      await guard.ask(...urls('guard')),
      await askAs(outside, urls('web.service')),
    ];
    assert.deepEqual(answers, [NAMES, NAMES, NAMES]);
    await flowspan.settled();
  });
  after(async () => {
    await flowspan?.stop();
    pods?.end();
    network?.remove();
    await plane?.stop();
  });

  it('is told apart by who it was, as client and as server, at both ends', async () => {
    const rows = () =>
      flowspan.query<Record<'path' | 'point' | 'source' | 'destination', string>>(
        `SELECT http_path AS path, observation_point AS point,
           concat(source_kind, ' ', source_namespace, '/', source_name) AS source,
           concat(destination_kind, ' ', destination_namespace, '/', destination_name) AS destination
         FROM requests_named ORDER BY path, point`,
      );
    const named = (name: string) => (name === 'web.service' ? `unit /${name}` : `pod ${PLAYED_NAMESPACE}/${name}`);
    const wanted = NAMES.toSorted().flatMap((client) =>
      NAMES.toSorted().flatMap((server) =>
        ['client', 'server'].map((point) => ({
          ...{ path: `/${client}/${server}`, point },
          ...{ source: named(client), destination: named(server) },
        })),
      ),
    );
    await eventually('names of all', async () => (await rows()).every(({ source }) => !source.endsWith('/'))).catch(
      () => undefined,
    );
    assert.deepEqual(await rows(), wanted);
  });
});
