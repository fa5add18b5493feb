/** Devices of network namespaces, without entering them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { isNativeError } from '../../collector/native/addon.ts';
import { namespaceNumber, networkDevices } from '../../collector/src/control/network_devices.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';

const MODULE = new URL('../../collector/src/control/network_devices.ts', import.meta.url).href;

/** As `ip -j -d link` has them. */
interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly address: string;
  readonly link_index?: number;
}

const ethernet = (bytes: Buffer): string => bytes.toString('hex').replace(/..(?!$)/g, '$&:');

describe('devices of network namespaces', () => {
  let one: Namespace;
  let other: Namespace;
  const path = ({ name }: Namespace) => `/run/netns/${name}`;

  before(() => {
    [one, other] = [createNamespace(), createNamespace()];
    connect(one, other);
    one.run('ip', 'link', 'add', 'bridge0', 'type', 'bridge');
  });
  after(() => {
    for (const each of [one, other]) each.remove();
  });

  it('are what `ip` says there', () => {
    for (const namespace of [one, other]) {
      const links = JSON.parse(namespace.run('ip', '-j', 'link')) as Link[];
      const devices = networkDevices(namespaceNumber(path(namespace)));
      assert.deepEqual(
        devices.map(({ ifindex, name, address, otherIfindex }) => [ifindex, name, ethernet(address), otherIfindex]),
        links.map(({ ifindex, ifname, address, link_index = 0 }) => [ifindex, ifname, address, link_index]),
      );
      assert.deepEqual(
        devices.filter(({ isLoopback }) => isLoopback).map(({ name }) => name),
        ['lo'],
      );
    }
    assert.equal(networkDevices(namespaceNumber(path(one))).find(({ name }) => name === 'bridge0')?.kind, 'bridge');
  });

  it('of a pair name each other', () => {
    const [numberOne, numberOther] = [namespaceNumber(path(one)), namespaceNumber(path(other))];
    const veth = (number: number) => networkDevices(number).find(({ kind }) => kind === 'veth')!;
    const [a, b] = [veth(numberOne), veth(numberOther)];
    assert.deepEqual([a.otherIfindex, a.otherNamespace], [b.ifindex, numberOther]);
    assert.deepEqual([b.otherIfindex, b.otherNamespace], [a.ifindex, numberOne]);
  });

  it("are this process's own where no other is named", () => {
    const names = (JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' })) as Link[]).map(
      ({ ifname }) => ifname,
    );
    assert.deepEqual(
      networkDevices().map(({ name }) => name),
      names,
    );
  });

  it('are told to a process that has CAP_NET_ADMIN and nothing else', () => {
    const fresh = createNamespace();
    const script = `const { namespaceNumber, networkDevices } = await import('${MODULE}');
      console.log(networkDevices(namespaceNumber('${path(fresh)}')).map(({ name }) => name).join());`;
    const rights = ['--inh-caps=-all,+net_admin', '--ambient-caps=-all,+net_admin', '--bounding-set=-all,+net_admin'];
    const printed = execFileSync('setpriv', [...rights, process.execPath, '-e', script], { encoding: 'utf8' });
    assert.equal(printed, 'lo\n');
    fresh.remove();
  });

  it('of a namespace that is not there are refused', () => {
    assert.throws(
      () => networkDevices(2 ** 31 - 1),
      (error) => isNativeError(error) && error.code === 'FLOW_NATIVE_NETLINK',
    );
    assert.throws(() => namespaceNumber('/run/netns/nobody-has-this'), /ENOENT/);
    assert.throws(
      () => namespaceNumber('/proc/self/cmdline'),
      (error) => isNativeError(error) && error.errno > 0,
    );
  });
});
