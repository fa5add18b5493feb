/** HTTP rules of a policy in a file: what a client is told, and what the rows say of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Program, run } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { whyNot } from '../../support/flowspan.ts';
import { playServer } from '../../support/kubernetes/played_pods.ts';
import { PolicyWorld } from './scene.ts';

const PORT = 8080;
const RULES = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: reads, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: back}}
  ingress: [{toPorts: [{ports: [{port: "${PORT}", protocol: TCP}], rules: {http: [{method: GET, path: "/open/.*"}]}}]}]
`;

describe('HTTP rules in files', { skip: whyNot() ?? false }, () => {
  let world: PolicyWorld;
  let server: Program;
  const asked = (path: string, method = 'GET'): Promise<string> =>
    run(world.client, [
      ...['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-X', method, '--max-time', '5'],
      `http://${world.at[4]}:${PORT}${path}`,
    ]);
  before(async () => {
    world = await PolicyWorld.create();
    server = await playServer(world.server, 'back', PORT);
    world.write('policy.yaml', RULES);
  });
  after(async () => {
    await server?.stop('SIGKILL');
    await world?.end();
  });

  it('let the requests through that they name, and refuse others with 403', async () => {
    await world.start('enforce');
    await world.judged();
    assert.equal(await asked('/open/door'), '200');
    assert.equal(await asked('/closed/door'), '403');
    assert.equal(await asked('/open/door', 'POST'), '403');
    const columns = [
      'policy_verdict',
      'http_judged',
      'http_method',
      'http_path',
      'policy_name',
      'rule_index',
      'policy_reason',
    ];
    const lines = () => world.verdicts(columns, `http_judged != '' AND destination_port = ${PORT}`);
    const wanted = [
      'allowed allowed GET /open/door reads 0 rule 1',
      'denied denied GET /closed/door reads -1 no_http_rule 2',
    ];
    await eventually('the rows', async () => (await lines()).length >= wanted.length).catch(() => undefined);
    assert.deepEqual(await lines(), wanted);
  });

  it('refuse without a collector', async () => {
    await world.stop();
    assert.deepEqual([await asked('/open/door'), await asked('/closed/door')], ['200', '403']);
  });

  it('only tell in audit', async () => {
    await world.start('audit');
    await world.judged();
    assert.equal(await asked('/closed/door'), '200');
    const audited = () =>
      world.verdicts(['http_path', 'policy_mode'], "http_judged = 'denied' AND policy_verdict = 'audited'");
    await eventually('the row', async () => (await audited()).length > 0).catch(() => undefined);
    assert.deepEqual(await audited(), ['/closed/door audit 1']);
  });
});
