/** Policies in files, brought into force by a collector: what they let through, and what the rows say of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../../deploy/lab/wait.ts';
import { whyNot } from '../../support/flowspan.ts';
import { PolicyWorld } from './scene.ts';

const BACK = 'podSelector: {matchLabels: {app: back}}';
const network = (spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: back, namespace: shop}\nspec: {${BACK}, ${spec}}\n`;
const FROM_FRONT = 'from: [{podSelector: {matchLabels: {app: front}}}]';
const CILIUM = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: no-81, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: back}}
  enableDefaultDeny: {ingress: false}
  ingressDeny: [{toPorts: [{ports: [{port: "81", protocol: UDP}]}]}]
`;
const CLUSTER = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: first}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{udp: {destinationPort: {number: 81}}}]}]
`;
const all = (isLetThrough: boolean) => ({
  ...{ 'connect 80': isLetThrough, 'send 80': isLetThrough },
  ...{ 'connect 81': isLetThrough, 'send 81': isLetThrough },
});

describe('policies in files', { skip: whyNot() ?? false }, () => {
  let world: PolicyWorld;
  before(async () => {
    world = await PolicyWorld.create();
    world.write('policy.yaml', network(`ingress: [{${FROM_FRONT}, ports: [{port: 80}]}]`));
  });
  after(() => world?.end());

  it('are only watched where the step observes', async () => {
    await world.start('observe');
    assert.deepEqual(await world.probe(), all(true));
    assert.deepEqual(await world.verdicts(['policy_verdict']), []);
    await world.stop();
  });

  it('are told and not carried out in audit', async () => {
    await world.start('audit');
    await world.judged();
    const live = await world.watch();
    assert.deepEqual(await world.probe(), all(true));
    const columns = ['policy_verdict', 'policy_mode', 'traffic_direction', 'protocol', 'destination_port', 'workload'];
    const said = ['peer_workload', 'policy_kind', 'policy_name', 'rule_index', 'rule_path', 'policy_reason'];
    const wanted = [
      'allowed audit ingress 6 80 back front NetworkPolicy back 0 spec.ingress[0] rule 1',
      'audited audit ingress 17 80 back front NetworkPolicy back -1  isolated 1',
      'audited audit ingress 17 81 back front NetworkPolicy back -1  isolated 1',
      'audited audit ingress 6 81 back front NetworkPolicy back -1  isolated 1',
    ];
    const lines = () =>
      world.verdicts([...columns, ...said], "traffic_direction = 'ingress' AND destination_port >= 80");
    await eventually('the rows', async () => (await lines()).length >= wanted.length).catch(() => undefined);
    assert.deepEqual(await lines(), wanted);
    const refused = live
      .filter((row) => row.policy_verdict === 'audited' && row.traffic_direction === 'ingress')
      .filter((row) => Number(row.destination_port) >= 80);
    assert.deepEqual(
      refused
        .map((row) => [row.policy_name, row.protocol, row.destination_port, String(row.count)].join(' '))
        .toSorted(),
      ['back 17 80 1', 'back 17 81 1', 'back 6 81 1'],
      'they are told live',
    );
    const named = () =>
      world.store.query(
        `SELECT DISTINCT verdict, policy_kind, policy_name, rule_index FROM flows
         WHERE protocol = 6 AND destination_port IN (80, 81) AND observation_point = 'server' AND policy_name != '' ORDER BY verdict`,
      );
    await eventually('the flows', async () => (await named()).length >= 2).catch(() => undefined);
    assert.deepEqual(await named(), [
      { verdict: 'FORWARDED', policy_kind: 'NetworkPolicy', policy_name: 'back', rule_index: 0 },
      { verdict: 'AUDIT', policy_kind: 'NetworkPolicy', policy_name: 'back', rule_index: -1 },
    ]);
    await world.stop();
  });

  it('are carried out in enforce, by each kind of policy, and changes are taken', async () => {
    await world.start('enforce');
    await world.judged();
    assert.deepEqual(await world.probe(), { ...all(false), 'connect 80': true });
    await world.changed(() => world.write('cluster.yaml', CLUSTER));
    assert.deepEqual(await world.probe(), { ...all(false), 'connect 80': true, 'send 81': true });
    world.remove('cluster.yaml');
    await world.changed(() => world.write('policy.yaml', CILIUM));
    assert.deepEqual(await world.probe(), { ...all(true), 'send 81': false });
    await world.changed(() => world.write('policy.yaml', network('ingress: []')));
    assert.deepEqual(await world.probe(), all(false));
  });

  it('stay as they were where an edit is broken, and that is told', async () => {
    world.write('policy.yaml', network('ingres: []'));
    const refused = async () =>
      (await world.status()).dataplane.conditions.find(({ name, accepted }) => name === 'back' && !accepted);
    const condition = await eventually('the condition', refused);
    assert.match(condition.message, /ingres/);
    assert.deepEqual(await world.probe(), all(false));
    await world.changed(() => world.write('policy.yaml', network('ingress: [{}]')));
    assert.deepEqual(await world.probe(), all(true));
    assert.equal(await refused(), undefined);
  });

  it('let everything through again where the step observes', async () => {
    await world.stop();
    await world.start('observe');
    assert.deepEqual(await world.probe(), all(true));
  });
});
