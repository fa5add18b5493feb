/** When Kubernetes is asked, and what is told of it at GET /metrics. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../../collector/src/config.ts';
import { openKubernetes } from '../../../collector/src/control/kubernetes/open.ts';
import type { ResourceStatus } from '../../../collector/src/control/kubernetes/watch.ts';
import { kubernetesFamilies } from '../../../collector/src/deliver/prometheus/kubernetes_families.ts';
import { metricsText } from '../../../collector/src/telemetry/metrics_text.ts';

const log = pino({ level: 'silent' });

it('Kubernetes is asked in a pod that may, with a kubeconfig, or where it is told to', () => {
  const isOn = (flags: string[], env: Record<string, string> = {}) =>
    openKubernetes(loadConfig(flags, {}), log, env) !== undefined;
  assert.equal(isOn([]), false, 'by default not outside of a cluster');
  assert.equal(isOn(['--kubernetes-kubeconfig', '/x']), true);
  assert.equal(isOn(['--kubernetes-kubeconfig', '/x', '--kubernetes-enabled', 'off']), false);
  assert.equal(isOn(['--kubernetes-enabled', 'on']), true);
  assert.equal(isOn([], { KUBERNETES_SERVICE_HOST: '10.96.0.1' }), false, 'a pod without a token');
});

it('GET /metrics tells what is known, how fresh and at what price; nothing without Kubernetes', async () => {
  const status: ResourceStatus = {
    ...{ resource: 'pods', objects: 7, synced: true, lastEventMs: 1_700_000_000_500, relists: 2, skipped: 0 },
    ...{ isAbsent: false, requests: 5, bytes: 1234, resourceVersion: '1', watchedSinceMs: 0 },
  };
  const text = async (statuses: ResourceStatus[]) => {
    let lines = '';
    for await (const piece of metricsText(kubernetesFamilies(statuses, statuses.length > 0 ? 12 : undefined), 'text'))
      lines += piece;
    return lines.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  };
  assert.deepEqual(await text([status]), [
    'flowspan_kubernetes_objects{resource="pods"} 7',
    'flowspan_kubernetes_synced{resource="pods"} 1',
    'flowspan_kubernetes_last_event_timestamp_seconds{resource="pods"} 1700000000.5',
    'flowspan_kubernetes_relists_total{resource="pods"} 2',
    'flowspan_kubernetes_requests_total{resource="pods"} 5',
    'flowspan_kubernetes_received_bytes_total{resource="pods"} 1234',
    'flowspan_kubernetes_address_rows_total 12',
  ]);
  assert.deepEqual(await text([]), []);
});
