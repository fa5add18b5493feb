/** HTTP rules in files, brought into force by a collector: on requests from outside the pod, and without the collector as well. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { whyNot } from '../../support/flowspan.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { PolicyWorld } from './scene.ts';

const PORT = 8000;
const RULES = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: shop-api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: back}}
  ingress:
    - toPorts: [{ports: [{port: "${PORT}", protocol: TCP}], rules: {http: [{method: GET, path: /static/.*}]}}]
`;

describe('HTTP rules in files', { skip: whyNot() ?? false }, () => {
  let world: PolicyWorld;
  let nginx: Nginx;
  before(async () => {
    world = await PolicyWorld.create();
    nginx = await startNginx({ namespace: world.server.namespace, cgroup: world.server.cgroup }, { port: PORT });
    world.write('policy.yaml', RULES);
  });
  after(async () => {
    await nginx?.stop();
    await world?.end();
  });

  const ask = async (path: string): Promise<string> => {
    const url = `http://${world.at[4]}:${PORT}${path}`;
    return run({ namespace: world.client.namespace }, ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', url]);
  };
  const both = async () => [await ask('/static/1.txt'), await ask('/secret')];
  const heard = () => nginx.answered('/secret');
  const refused = (outcome: string) => world.metric(`flowspan_policy_refusals_total{outcome="${outcome}"}`);

  it('are told in audit', async () => {
    await world.start('audit');
    await world.judged();
    assert.deepEqual(await both(), ['200', '200']);
    const lines = () =>
      world.verdicts(['policy_verdict', 'policy_name', 'http_method', 'http_path'], "http_method != ''");
    await eventually('the rows', async () => (await lines()).length >= 2).catch(() => undefined);
    const told = await lines();
    assert.equal(told.length, 2, told.join('\n'));
    assert.match(told[0]!, /^allowed shop-api GET \S+ 1$/);
    assert.match(told[1]!, /^audited shop-api GET \S+ 1$/);
    await world.stop();
  });

  it('are carried out in enforce, and when the collector has gone', async () => {
    await world.start('enforce');
    await world.judged();
    const before = heard();
    assert.deepEqual(await both(), ['200', '403']);
    assert.deepEqual([await refused('forbidden'), await refused('reset'), await refused('dropped')], [1, 0, 0]);
    world.crash();
    await world.stop();
    assert.deepEqual(await both(), ['200', '403']);
    assert.equal(heard(), before);
  });
});
