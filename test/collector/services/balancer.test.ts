/** Objects that come, change and go, and what of it reaches the kernel. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Mode } from '../../../collector/src/config_dataplane.ts';
import { checkBalanced, ServiceBalancer } from '../../../collector/src/control/services/balancer.ts';
import { type Changes, ServiceTables } from '../../../collector/src/control/services/compile.ts';
import { service, slice } from '../../bpf/services/objects.ts';

const CAPACITY = { services: 16, slots: 64, backends: 16, frontends: 16 };
const WEB = { kind: 'Service', namespace: 'shop', name: 'web' };
const SLICE = { kind: 'EndpointSlice', namespace: 'shop', name: 'web-80' };

function scene(capacity = CAPACITY) {
  const modes = new Map<string, Mode>();
  const applied: Changes[] = [];
  let reads = 0;
  let fails = false;
  const balancer = new ServiceBalancer({
    node: 'node-1',
    modeOf: (namespace) => modes.get(namespace) ?? 'enforce',
    readTables: () => {
      reads += 1;
      return new ServiceTables(capacity);
    },
    apply: (changes) => {
      if (fails) throw new Error('the kernel refuses');
      applied.push(changes);
    },
    nowMs: () => 0,
  });
  const last = (): Changes => applied.at(-1)!;
  const sizes = () => {
    balancer.settled();
    const { backends, frontends, frontendsGone, backendsGone } = last();
    return [backends.length, frontends.length, frontendsGone.length, backendsGone.length];
  };
  return {
    balancer,
    modes,
    sizes,
    last,
    reads: () => reads,
    fail: (doesFail: boolean) => {
      fails = doesFail;
    },
  };
}

describe('the balancer', () => {
  it('brings to the kernel what differs, when it is told that it belongs together', () => {
    const { balancer, sizes } = scene();
    balancer.take(WEB, service('web', ['10.96.0.10']));
    balancer.take(SLICE, slice('web', 80, ['10.0.0.1', '10.0.0.2']));
    assert.deepEqual(sizes(), [2, 1, 0, 0]);
    assert.deepEqual(sizes(), [0, 0, 0, 0]);
    balancer.take(SLICE, slice('web', 80, ['10.0.0.2']));
    assert.deepEqual(sizes(), [0, 0, 0, 1]);
    balancer.delete(SLICE);
    assert.deepEqual(sizes(), [0, 0, 0, 1]);
    balancer.delete(WEB);
    assert.deepEqual(sizes(), [0, 0, 1, 0]);
  });

  it('follows a mode that changes', () => {
    const { balancer, sizes, modes, last } = scene();
    balancer.take(WEB, service('web', ['10.96.0.10']));
    balancer.settled();
    modes.set('shop', 'audit');
    assert.deepEqual(sizes(), [0, 0, 0, 0]);
    assert.equal(last().writes.length, 1);
    modes.set('shop', 'observe');
    assert.deepEqual(sizes(), [0, 0, 1, 0]);
  });

  it('knows the addresses of nodes, and the zone of its own', () => {
    const { balancer, last } = scene();
    const node = (name: string, zone: string, ...addresses: string[]) =>
      balancer.take(
        { kind: 'Node', namespace: '', name },
        {
          metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
          status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
        },
      );
    node('node-1', 'a', '10.1.0.1', 'fd00::1');
    node('node-2', 'b', '10.1.0.2');
    balancer.take(WEB, service('web', ['10.96.0.10']));
    const near = { hints: { forZones: [{ name: 'a' }] } };
    const far = { hints: { forZones: [{ name: 'b' }] } };
    balancer.take(
      SLICE,
      slice('web', 80, [
        { address: '10.0.0.1', ...near },
        { address: '10.0.0.2', ...far },
      ]),
    );
    balancer.settled();
    assert.deepEqual(
      last().nodes.map(({ value }) => value.readUInt32LE()),
      [1, 1, 0],
    );
    assert.equal(last().backends.length, 1, 'the near one');
    node('node-1', 'b', '10.1.0.1');
    balancer.settled();
    assert.deepEqual([last().backends.length, last().backendsGone.length, last().nodesGone.length], [1, 1, 1]);
  });

  it('checks objects without taking them', () => {
    const { balancer, sizes } = scene();
    assert.equal(checkBalanced(WEB, service('web', ['10.96.0.10'])), undefined);
    assert.equal(checkBalanced(WEB, service('web', ['10.96.0']))?.reason, 'Malformed');
    assert.equal(checkBalanced({ kind: 'Node' }, {})?.reason, 'Malformed');
    assert.deepEqual(sizes(), [0, 0, 0, 0]);
    assert.deepEqual(balancer.conditions(), []);
  });

  it('begins with what the kernel has after a change that failed', () => {
    const { balancer, sizes, reads, fail } = scene();
    balancer.take(WEB, service('web', ['10.96.0.10']));
    fail(true);
    assert.throws(() => balancer.settled(), /the kernel refuses/);
    fail(false);
    assert.deepEqual(sizes(), [0, 1, 0, 0]);
    assert.equal(reads(), 2);
  });

  it('says for which services the tables have no room', () => {
    const { balancer } = scene({ ...CAPACITY, backends: 1 });
    balancer.take(WEB, service('web', ['10.96.0.10']));
    balancer.take(SLICE, slice('web', 80, ['10.0.0.1', '10.0.0.2']));
    balancer.take({ ...WEB, name: 'api' }, service('api', ['10.96.0.11']));
    balancer.settled();
    assert.deepEqual(
      balancer.conditions().map(({ name, accepted, reason }) => [name, accepted, reason]),
      [
        ['api', true, 'Accepted'],
        ['web', false, 'NoRoom'],
      ],
    );
  });
});
