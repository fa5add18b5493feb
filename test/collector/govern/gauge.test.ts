/** What a governor is told of the rings. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { Gauge } from '../../../collector/src/govern/gauge.ts';

test('each ring tells its own fill, and the losses of the kinds that take it, once', () => {
  const lost = new Map<number, number>([[ENUMS.record_kind.flow, 7]]);
  const gauge = new Gauge({
    kernel: {
      ringFill: (ring) => ({ records: 0.75, request_records: 0.25 })[ring],
      recordCount: (kind) => ({ wanted: 1000, lostRingFull: lost.get(kind) ?? 0, shed: 0 }),
    },
    room: { roomBytes: 1000 },
  });
  const rings = (records: boolean, requests: boolean) => ({
    records: { fill: 0.75, lost: records },
    request_records: { fill: 0.25, lost: requests },
  });
  assert.deepEqual(gauge.measure().rings, rings(false, false), 'what was lost before is not told');
  for (const kind of ['flow', 'tcp_event', 'cgroup'] as const) {
    lost.set(ENUMS.record_kind[kind], 100);
    assert.deepEqual(gauge.measure().rings, rings(true, false), kind);
  }
  lost.set(ENUMS.record_kind.request, 1);
  assert.deepEqual(gauge.measure().rings, rings(false, true));
  assert.deepEqual(gauge.measure().rings, rings(false, false));
});
