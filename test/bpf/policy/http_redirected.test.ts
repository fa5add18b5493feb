/** A pod whose requests HTTP rules judge, and which asked to be redirected past TCP, where nobody would judge them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ENUMS } from '../../../bpf/dataplane/redirect.gen.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { run } from '../../../deploy/lab/program.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { u32, u64 } from '../dataplane/pinned.ts';
import { HttpScene } from './http_scene.ts';

const { redirect_counter: COUNTER, redirect_mode: MODE } = ENUMS;
const REFUSED = 'location /refused { return 200 no; }';

describe('requests of pods that asked to be redirected', () => {
  let scene: HttpScene;
  let client: Cgroup;
  let nginx: Nginx;

  before(async () => {
    scene = new HttpScene([80]);
    client = createCgroup();
    nginx = await startNginx({ namespace: scene.server, cgroup: scene.cgroup }, { locations: REFUSED });
    const { dataplane } = scene;
    dataplane.attachMap('redirect_message', 'msg_verdict', 'redirect_ends');
    dataplane.attachMap('redirect_take', 'skb_verdict', 'redirect_ends');
    for (const cgroup of [client, scene.cgroup]) {
      dataplane.attachCgroup('redirect_join', 'sock_ops', cgroup);
      dataplane.set('redirect_cgroups', u64(cgroup.id), u32(MODE.enforce));
    }
    for (const { ipv4 } of [scene.host, scene.from])
      dataplane.set('redirect_addresses', addressBytes(ipv4), Buffer.of(MODE.enforce));
  });
  after(async () => {
    await nginx?.stop();
    client?.remove();
    scene?.end();
  });

  const status = (path: string): Promise<string> =>
    run({ namespace: scene.client, cgroup: client }, [
      ...['curl', '-sS', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', `http://${scene.host.ipv4}${path}`],
    ]);
  const counted = (what: keyof typeof COUNTER): number => scene.dataplane.counters('redirect_counters')[COUNTER[what]]!;

  it('go past TCP where none is judged', async () => {
    scene.apply(undefined);
    assert.equal(await status('/refused'), '200');
    assert.deepEqual([counted('joined'), counted('judged')], [1, 0]);
    assert.ok(counted('messages') >= 2);
  });

  it('stay in TCP, and are refused there, where rules judge them', async () => {
    const messages = counted('messages');
    scene.apply([{ method: 'GET', path: '/static/.*' }]);
    assert.equal(await status('/refused'), '403');
    assert.equal(await status('/static/1000.txt'), '200');
    assert.deepEqual([counted('joined'), counted('judged'), counted('messages')], [1, 2, messages]);
  });

  it('go past TCP again when the rules are gone', async () => {
    scene.apply(undefined);
    assert.equal(await status('/refused'), '200');
    assert.equal(counted('joined'), 2);
  });
});
