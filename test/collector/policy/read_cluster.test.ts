/** What policies are told of pods, namespaces and nodes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { labelsOfPod } from '../../../collector/src/control/policy/endpoints.ts';
import { readCluster } from '../../../collector/src/control/policy/read_cluster.ts';
import { address } from './support/world.ts';

const OBJECTS = `
kind: Namespace
metadata: {name: shop, labels: {team: front}}
---
kind: Node
metadata: {name: n1, labels: {zone: a}}
status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 192.168.0.1}, {type: InternalIP, address: "fd00::1"}]}
---
kind: Pod
metadata: {name: web, namespace: shop, uid: u-1, labels: {app: web}}
spec:
  nodeName: n1
  serviceAccountName: seller
  containers:
  - {name: web, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}, {containerPort: 1}]}
  - {name: odd, ports: [{name: bad, containerPort: 0}, {name: bad, containerPort: 80, protocol: ICMP}, {name: bad, containerPort: "80"}]}
  initContainers:
  - {name: setup, ports: [{name: setup, containerPort: 1}]}
  - {name: mesh, restartPolicy: Always, ports: [{name: mesh, containerPort: 15001}]}
status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::10"}, {ip: nonsense}]}
---
kind: Pod
metadata: {name: job, labels: [1]}
spec: {nodeName: n1}
status: {phase: Succeeded, podIP: 10.0.0.2}
---
kind: Service
metadata: {name: web}
`;

const read = (text: string) =>
  readCluster(
    parseAllDocuments(text).map((document) => document.toJS() as unknown),
    'n1',
  );

describe('cluster that policies are about', () => {
  const { node, nodes, pods } = read(OBJECTS);

  it('a pod has its labels, those of its namespace, and its ports by name', () => {
    assert.equal(node, 'n1');
    assert.deepEqual(pods[0], {
      ...{ uid: 'u-1', namespace: 'shop', serviceAccount: 'seller', node: 'n1', hostNetwork: false },
      namespaceLabels: new Map([['team', 'front']]),
      labels: new Map([['app', 'web']]),
      ports: [
        { name: 'http', protocol: 6, port: 8080 },
        { name: 'dns', protocol: 17, port: 53 },
        { name: 'mesh', protocol: 6, port: 15_001 },
      ],
      addresses: [address('10.0.0.1'), address('fd00::10')],
    });
    const labels = labelsOfPod(pods[0] as never);
    assert.equal(labels.get('namespace:kubernetes.io/metadata.name'), 'shop');
    assert.equal(labels.get('port:http'), '6/8080');
  });

  it('a pod that has come to its end has no address any more', () => {
    assert.deepEqual(pods[1]?.addresses, []);
    assert.equal(pods[1]?.uid, 'default/job');
    assert.equal(pods.length, 2);
  });

  it('a node has its addresses, not its names', () => {
    const addresses = [address('192.168.0.1'), address('fd00::1')];
    assert.deepEqual(nodes, [{ name: 'n1', labels: new Map([['zone', 'a']]), addresses }]);
  });

  it('what is no object, or has no name, is passed over', () => {
    const odd = [undefined, null, 'Pod', [], { kind: 'Pod' }, { kind: 'Pod', metadata: { name: 1 } }, { kind: 'Node' }];
    assert.deepEqual(readCluster(odd, 'n1'), { node: 'n1', nodes: [], pods: [] });
  });
});
