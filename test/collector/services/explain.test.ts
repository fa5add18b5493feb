/** The tables of a service in numbers: balance, and what a lost backend moves. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainService } from '../../../collector/src/control/services/explain.ts';
import { modelOf } from '../../../collector/src/control/services/model.ts';
import { readObjects } from '../../../collector/src/control/services/read.ts';
import { service, slice } from '../../bpf/services/objects.ts';

const BACKENDS = Array.from({ length: 10 }, (_, at) => ({
  address: `10.0.0.${at + 1}`,
  nodeName: at < 3 ? 'node-1' : 'node-2',
}));
const OBJECTS = [
  service('web', ['10.96.0.10', 'fd00::10'], { externalIPs: ['192.0.2.1'], sessionAffinity: 'ClientIP' }),
  slice('web', 8080, BACKENDS),
  service('local', ['10.96.0.11'], { internalTrafficPolicy: 'Local' }),
  slice('local', 8080, BACKENDS.slice(3)),
];

describe('the explanation of a service', () => {
  const explained = (name: string, without?: string) => {
    const { services, slices } = readObjects(OBJECTS);
    const node = { name: 'node-1', zone: '' };
    return explainService(modelOf({ services, slices, node, modeOf: () => 'enforce' }), 'shop', name, without);
  };

  it('has a table for each family, with all that leads to it', () => {
    const [four, six] = explained('web');
    assert.deepEqual(four?.frontends, ['10.96.0.10 80/TCP', '192.0.2.1 80/TCP']);
    assert.deepEqual([four?.candidates, four?.affinity_seconds, four?.refusal], [10, 10_800, '']);
    assert.equal(
      four?.table.reduce((sum, { maglev_entries }) => sum + maglev_entries, 0),
      four?.maglev_size,
    );
    assert.ok(four?.table.every(({ share, slots }) => share === 0.1 && slots.length === 1));
    assert.equal(four?.slots_balance, 1);
    assert.ok(four!.maglev_balance >= 1 && four!.maglev_balance < 1.01);
    assert.deepEqual([six?.frontends, six?.table, six?.refusal], [['fd00::10 80/TCP'], [], 'no_backend']);
  });

  it('says what a lost backend moves: one slot, and its part of a Maglev table', () => {
    const { without } = explained('web', '10.0.0.3')[0]!;
    assert.deepEqual(without?.lost, ['10.0.0.3:8080']);
    assert.deepEqual(without?.moved_slots, [{ slot: 2, from: '10.0.0.3:8080', to: '10.0.0.10:8080' }]);
    assert.ok(Math.abs(without!.maglev_lost - 0.1) < 0.001);
    assert.ok(without!.maglev_moved < 0.05);
    assert.deepEqual(explained('web', '10.0.0.3:8080')[0]?.without, without);
    assert.deepEqual(explained('web', '10.0.0.3:8081')[0]?.without?.lost, []);
    assert.deepEqual(explained('web', '10.0.0.10')[0]?.without?.moved_slots, [], 'the last one moves nobody');
  });

  it('says that other nodes have backends where the own alone count', () => {
    const [pool] = explained('local');
    assert.deepEqual(
      [pool?.traffic_policy, pool?.candidates, pool?.endpoints, pool?.refusal],
      ['Local', 0, 7, 'no_local_backend'],
    );
  });
});
