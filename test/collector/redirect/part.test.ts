/** The redirect's maps, in the kernel, as pods and namespaces come, change and go, and when a run follows another. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ENUMS } from '../../../bpf/dataplane/redirect.gen.ts';
import { type BpfObject, isNativeError, openObject } from '../../../collector/native/addon.ts';
import type { Mode } from '../../../collector/src/config_dataplane.ts';
import type { LocalPod } from '../../../collector/src/control/local_pods.ts';
import { Redirect } from '../../../collector/src/control/redirect/part.ts';
import { TABLES } from '../../../collector/src/control/redirect/plan.ts';
import { addressText } from '../../../collector/src/correlate/address_text.ts';

const OBJECT = join(import.meta.dirname, '../../../build/bpf/dataplane.bpf.o');
const { audit: AUDIT, enforce: ENFORCE } = ENUMS.redirect_mode;

/** Pods of this node, as a test says. */
class Here {
  readonly pods: LocalPod[] = [];
  #changed = () => {};
  onChange(changed: () => void): void {
    this.#changed = changed;
  }
  tick(): void {}
  add(name: string, ...cgroups: bigint[]): void {
    const own = cgroups.map((id) => ({ id, level: 2, path: `/pod${id}` }));
    const rest = {
      uid: name,
      objectUid: name,
      labels: {},
      annotations: {},
      hostNetwork: false,
      netns: undefined,
      devices: [],
    };
    this.pods.push({ ...rest, namespace: 'shop', name, cgroups: own });
    this.#changed();
  }
}

describe('pods that ask to be redirected', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  let object: BpfObject;
  let here: Here;
  let redirect: Redirect;
  let modes: Record<string, Mode>;

  const open = (): Redirect =>
    new Redirect({
      kernel: {
        object,
        attachDevice: () => assert.fail('no pod has a device'),
        detachDevice: () => assert.fail('no pod has a device'),
      },
      modeOf: (namespace) => modes[namespace] ?? 'observe',
      pods: here,
      log: { error: (context: object) => assert.fail(JSON.stringify(context)) },
    });

  beforeEach(() => {
    object = openObject(OBJECT);
    for (const { name } of object.programs()) object.setAutoload(name, name === 'redirect_is_safe');
    object.setMaxEntries('redirect_cgroups', 3);
    object.load();
    here = new Here();
    modes = { shop: 'enforce' };
    redirect = open();
  });
  afterEach(() => {
    redirect.close();
    object.close();
  });

  const take = (name: string, metadata: object, rest: object = {}): void => {
    const object = { metadata: { uid: name, name, namespace: 'shop', ...metadata }, ...rest };
    redirect.follower.take({ kind: 'Pod', namespace: 'shop', name }, object);
  };
  const addressed = (...ips: string[]) => ({
    status: { phase: 'Running', podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  });
  const asking = { labels: { 'flowspan.io/redirect': 'sockmap' } };
  const proxied = { annotations: { 'flowspan.io/proxy': '127.0.0.1:15001', 'flowspan.io/proxy-ports': '80,8080' } };
  const cgroups = () =>
    entriesOf('redirect_cgroups', (key, value) => `${key.readBigUInt64LE()} ${value.readUInt32LE()}`);
  const addresses = () => entriesOf('redirect_addresses', (key, value) => `${addressText(key, 0)} ${value[0]}`);
  function entriesOf<Row>(name: string, read: (key: Buffer, value: Buffer) => Row): Row[] {
    const map = object.map(name);
    const { keys, values, count } = map.entries();
    const rows = Array.from({ length: count }, (_, at) =>
      read(
        keys.subarray(at * map.keySize, (at + 1) * map.keySize),
        values.subarray(at * map.valueSize, (at + 1) * map.valueSize),
      ),
    );
    map.close();
    return rows.sort();
  }
  const conditions = () => redirect.conditions().map(({ kind, name, reason }) => `${kind} ${name} ${reason}`);

  it('are in the maps while they are here, ask for it, and run', async () => {
    here.add('web', 11n, 12n);
    take('web', asking, addressed('10.1.2.3', 'fd00::3'));
    take('elsewhere', asking, addressed('10.9.9.9'));
    redirect.follower.settled();
    assert.deepEqual(cgroups(), [`11 ${ENFORCE}`, `12 ${ENFORCE}`]);
    assert.deepEqual(addresses(), [`10.1.2.3 ${ENFORCE}`, `fd00::3 ${ENFORCE}`]);
    take('web', {}, addressed('10.1.2.3'));
    redirect.follower.settled();
    assert.deepEqual([cgroups(), addresses()], [[], []]);
    take('web', asking, addressed('10.1.2.3'));
    redirect.follower.settled();
    assert.equal(cgroups().length, 2);
    here.add('elsewhere', 13n);
    await turn();
    assert.equal(cgroups().length, 3, 'a cgroup may come later than its pod');
    take('web', asking, { status: { phase: 'Succeeded', podIP: '10.1.2.3' } });
    redirect.follower.delete({ kind: 'Pod', namespace: 'shop', name: 'elsewhere' });
    redirect.follower.settled();
    assert.deepEqual([cgroups(), addresses()], [[], []]);
  });

  it('go as far as their namespace, which may ask for them', () => {
    modes.shop = 'audit';
    here.add('web', 11n);
    take('web', {}, addressed('10.1.2.3'));
    redirect.follower.take({ kind: 'Namespace', namespace: '', name: 'shop' }, { metadata: { ...asking } });
    redirect.follower.settled();
    assert.deepEqual([cgroups(), addresses()], [[`11 ${AUDIT}`], [`10.1.2.3 ${AUDIT}`]]);
    modes.shop = 'observe';
    redirect.follower.settled();
    assert.deepEqual([cgroups(), addresses()], [[], []]);
  });

  it('have their proxy for the ports that they name', () => {
    here.add('web', 11n);
    take('web', proxied, addressed('10.1.2.3'));
    redirect.follower.settled();
    const ports = () => entriesOf('proxy_ports', (key) => `${key.readBigUInt64LE()} ${key.readUInt16LE(8)}`);
    const listeners = () => entriesOf('proxy_listeners', (_, value) => value.toString('hex'));
    assert.deepEqual(ports(), ['11 80', '11 8080']);
    assert.deepEqual(listeners(), [`7f000001${'00'.repeat(16)}3a990${ENFORCE}00`]);
    take('web', {}, addressed('10.1.2.3'));
    redirect.follower.settled();
    assert.deepEqual([ports(), listeners()], [[], []]);
  });

  it('keep what they asked for last where it is malformed now, and that is told', () => {
    here.add('web', 11n);
    here.add('never', 12n);
    take('web', asking, addressed('10.1.2.3'));
    redirect.follower.settled();
    take('web', { labels: { 'flowspan.io/redirect': 'sockmop' } }, addressed('10.1.2.3'));
    take('never', { labels: { 'flowspan.io/redirect': 'sockmop' } }, addressed('10.1.2.4'));
    redirect.follower.settled();
    assert.deepEqual(cgroups(), [`11 ${ENFORCE}`]);
    const [web, never] = redirect.conditions();
    assert.match(web!.message, /"sockmop" is none of .*what it asked for before stays in use/);
    assert.match(never!.message, /it is not redirected/);
    assert.ok(!web!.accepted && !never!.accepted);
  });

  it("are told where they are in their node's network, have another's address, or find no room", () => {
    for (const [at, name] of ['host', 'one', 'two', 'three', 'four', 'five', 'six'].entries())
      here.add(name, BigInt(at + 1));
    take('host', asking, { ...addressed('192.0.2.1'), spec: { hostNetwork: true } });
    for (const name of ['one', 'two']) take(name, asking, addressed('10.1.2.3'));
    for (const [at, name] of ['three', 'four', 'five', 'six'].entries()) take(name, asking, addressed(`10.1.3.${at}`));
    redirect.follower.settled();
    assert.deepEqual(conditions(), [
      'Pod host HostNetwork',
      'Pod one AddressTaken',
      'Pod two AddressTaken',
      'Pod six NoRoom',
    ]);
    assert.deepEqual(cgroups(), [`4 ${ENFORCE}`, `5 ${ENFORCE}`, `6 ${ENFORCE}`]);
    redirect.follower.delete({ kind: 'Pod', namespace: 'shop', name: 'three' });
    redirect.follower.settled();
    assert.deepEqual(cgroups(), [`5 ${ENFORCE}`, `6 ${ENFORCE}`, `7 ${ENFORCE}`], 'a full map takes one when one goes');
  });

  it('stay in the maps from one run to the next, and those that went meanwhile go', () => {
    for (const [name, id, ip] of [
      ['stays', 1n, '10.0.0.1'],
      ['goes', 2n, '10.0.0.2'],
    ] as const) {
      here.add(name, id);
      take(name, { ...asking, ...proxied }, addressed(ip));
    }
    redirect.follower.settled();
    redirect.close();
    redirect = open();
    assert.deepEqual(cgroups().length, 2, 'nothing is touched until all objects are known');
    take('stays', { ...asking, ...proxied }, addressed('10.0.0.1'));
    redirect.follower.settled();
    assert.deepEqual([cgroups(), addresses()], [[`1 ${ENFORCE}`], [`10.0.0.1 ${ENFORCE}`]]);
    assert.deepEqual(
      entriesOf('proxy_ports', (key) => `${key.readBigUInt64LE()} ${key.readUInt16LE(8)}`),
      ['1 80', '1 8080'],
    );
  });

  it('cannot be taken out of the map of sockets by any process', () => {
    const ends = object.map('redirect_ends');
    assert.throws(
      () => ends.delete(Buffer.alloc(ends.keySize)),
      (error) => isNativeError(error) && error.errno === 1,
    );
    ends.close();
  });

  it('tells how many there are, and what the kernel counted', () => {
    here.add('web', 11n);
    take('web', asking, addressed('10.1.2.3'));
    redirect.follower.settled();
    const families = new Map([...redirect.families()].map(({ name, samples }) => [name, [...samples]]));
    const entries = families.get('flowspan_redirect_entries')!;
    assert.deepEqual(
      entries.map(({ labels, value }) => `${labels} ${value}`),
      TABLES.map((table) => `map="${table}" ${table === 'redirect_cgroups' || table === 'redirect_addresses' ? 1 : 0}`),
    );
    assert.equal(families.get('flowspan_redirect_connections_total')!.length, 8);
  });
});
