/** What the observer tells of connections whose backends were chosen here. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { watchWith } from '../shared.ts';
import { type Seen, Watcher } from '../watcher.ts';
import { service, slice } from './objects.ts';
import { createServiceScene, type ServiceScene } from './scene.ts';

const BACKENDS = { a: 9001, b: 9002 };
const VIPS = ['10.96.0.10', 'fd00:96::10'];
const UDP = { ports: [{ name: 'web', port: 53, protocol: 'UDP' }] };

const NOTHING = {
  ...{ lb_reason: 'none', lb_mode: 'observe', lb_slot: 0xffffffffn, lb_table_version: 0n, lb_candidates: 0n },
  ...{ frontend_address: '00'.repeat(16), frontend_port: 0n, service_id: 0n },
};

describe('what was decided for a connection', () => {
  let scene: ServiceScene;
  let watcher: Watcher;
  before(async () => {
    scene = await createServiceScene(BACKENDS);
    watcher = watchWith(scene.object, scene.client.cgroup!);
  });
  beforeEach(() => scene.apply([]));
  after(async () => {
    watcher?.close();
    await scene?.end();
  });

  const host = () => scene.addresses.b.ipv4;
  const web = (): unknown[] => [
    service('web', VIPS, { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] }),
    slice('web', BACKENDS.a, [host()], { name: 'web-a' }),
    slice('web', BACKENDS.b, [host()], { name: 'web-b' }),
    slice('web', BACKENDS.a, [scene.addresses.b.ipv6], { name: 'web-6' }),
  ];
  const told = (record: Seen | undefined, like: Seen): Seen =>
    Object.fromEntries(Object.keys(like).map((name) => [name, record?.[name] ?? '']));

  it('is on each of its rows', async () => {
    scene.apply(web());
    const { peer } = await scene.talker.tell({ do: 'connect', host: VIPS[0]!, port: 80, id: 'one' });
    const [choice] = await scene.choices(1);
    watcher.snapshot();
    await scene.talker.tell({ do: 'close', id: 'one' });
    assert.equal(peer, `${VIPS[0]} 80`);
    const like = { frontend_address: VIPS[0]!, observation_point: 'client' };
    const [last] = await watcher.wait({ ...like, flow_state: 'closed' });
    const rows = watcher.seen(like);
    assert.deepEqual([...new Set(rows.map((row) => row.flow_state))], ['opened', 'active', 'closed']);
    const [, port] = choice!.backend.split(' ');
    const expected = {
      ...{ service_id: choice!.serviceId, lb_slot: BigInt(choice!.slot), lb_table_version: BigInt(choice!.version) },
      ...{ lb_candidates: 2n, lb_reason: 'hash', lb_mode: 'enforce', frontend_port: 80n },
      ...{ destination_address: host(), destination_port: BigInt(port!), verdict: 'forwarded' },
    };
    for (const row of rows) assert.deepEqual(told(row, expected), expected);
    assert.notEqual(last!.service_id, 0n);
  });

  it('is told over IPv6', async () => {
    scene.apply(web());
    await scene.talker.tell({ do: 'connect', host: VIPS[1]!, port: 80 });
    const [row] = await watcher.wait({ lb_reason: 'only_one', flow_state: 'closed', ip_version: 6n });
    assert.equal(row!.frontend_address, 'fd000096000000000000000000000010');
    assert.deepEqual([row!.lb_candidates, row!.lb_slot], [1n, 0n]);
  });

  it('is nothing where no service was dialled, also by a socket of the same cgroup', async () => {
    scene.apply(web());
    await scene.talker.tell({ do: 'connect', host: host(), port: BACKENDS.b });
    const rows = await watcher.wait({ destination_port: BigInt(BACKENDS.b), lb_reason: 'none', flow_state: 'closed' });
    for (const row of rows) assert.deepEqual(told(row, NOTHING), NOTHING);
  });

  it('is told of an audited choice, which led nowhere', async () => {
    scene.client.namespace.run('ip', 'route', 'replace', 'local', VIPS[0]!, 'dev', 'lo');
    scene.apply(web(), { mode: 'audit' });
    const { error } = await scene.talker.tell({ do: 'connect', host: VIPS[0]!, port: 80 });
    scene.client.namespace.run('ip', 'route', 'del', 'local', VIPS[0]!, 'dev', 'lo');
    assert.equal(error, 'ECONNREFUSED', 'nobody listens at the address itself');
    const [row] = await watcher.wait({ lb_mode: 'audit', flow_state: 'closed' });
    const expected = { destination_address: VIPS[0]!, frontend_address: VIPS[0]!, lb_reason: 'hash', service_id: 0n };
    assert.deepEqual(told(row, expected), expected);
    const [failed] = await watcher.wait({ event_kind: 'connect_failed' });
    assert.equal(failed!.service_id, 0n);
  });

  it('is told of datagrams, each by its peer', async () => {
    const at = (name: string, address: string, port: number) => [
      service(name, [address], UDP),
      slice(name, port, [host()], { protocol: 'UDP' }),
    ];
    scene.apply([...at('dns', '10.96.0.53', BACKENDS.a), ...at('time', '10.96.0.54', BACKENDS.b)]);
    const send = (to: string, id: string, connected: boolean) =>
      scene.talker.tell({ do: 'send', id, host: to, port: 53, connected });
    assert.equal((await send('10.96.0.53', 'both', false)).answer, 'a ?');
    assert.equal((await send('10.96.0.54', 'both', false)).answer, 'b ?');
    assert.equal((await send('10.96.0.54', 'connected', true)).answer, 'b ?');
    await scene.talker.tell({ do: 'send', id: 'plain', host: host(), port: BACKENDS.a });
    watcher.snapshot();
    const rows = await watcher.wait({ protocol: 17n, observation_point: 'client' }, 4);
    const words = rows.map(
      (row) => `${row.frontend_address} ${row.destination_port} ${row.lb_reason} ${row.service_id !== 0n}`,
    );
    assert.deepEqual(words.sort(), [
      `${'00'.repeat(16)} 9001 none false`,
      '10.96.0.53 9001 only_one true',
      '10.96.0.54 9002 only_one true',
      '10.96.0.54 9002 only_one true',
    ]);
  });

  it('is told once of a connection that was refused, by whom, and as what', async () => {
    scene.apply([service('web', VIPS)]);
    const { error } = await scene.talker.tell({ do: 'connect', host: VIPS[0]!, port: 80 });
    assert.equal(error, 'ECONNREFUSED');
    watcher.snapshot();
    watcher.snapshot();
    const rows = watcher.seen({ lb_reason: 'no_backend', lb_mode: 'enforce' });
    const expected = {
      ...{ destination_address: VIPS[0]!, frontend_address: VIPS[0]!, destination_port: 80n, ip_version: 4n },
      ...{ flow_state: 'closed', close_cause: 'refused', error_number: 111n, verdict: 'dropped', service_id: 0n },
      ...{ observation_point: 'client', owner_cgroup_id: scene.client.cgroup!.id, lb_candidates: 0n },
    };
    assert.deepEqual(
      rows.map((row) => told(row, expected)),
      [expected],
    );
    assert.ok(rows[0]!.pid !== 0n && rows[0]!.command !== '' && rows[0]!.time_boot_ns !== 0n);
  });

  it('is nothing for an observer that knows of no data plane', async () => {
    const alone = new Watcher(scene.client.cgroup!);
    scene.apply(web());
    await scene.talker.tell({ do: 'connect', host: VIPS[0]!, port: 80 });
    const [row] = await alone.wait({ flow_state: 'closed', destination_address: host() });
    alone.close();
    assert.deepEqual(told(row, NOTHING), NOTHING);
  });
});
