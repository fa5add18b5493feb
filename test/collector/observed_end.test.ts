/** The end that a record was observed at: cgroups, processes, containers. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { IdentitySource } from '../../collector/src/control/identity.ts';
import { CLIENT, flow, openNamed as open, PAIR, pod, process, SERVER } from './support/named_ends.ts';
import { connection, record, type Values } from './support/records.ts';

test('who reads and writes counts before who made the socket', () => {
  const { ends } = open({ cgroups: { 20: '/system.slice/api.service', 30: '/system.slice/api.socket' } });
  assert.deepEqual(ends('flows', flow({ ...SERVER, socket_cgroup_id: 30, owner_cgroup_id: 20 })), ['?>api']);
  assert.deepEqual(ends('flows', flow({ ...SERVER, socket_cgroup_id: 30, owner_cgroup_id: 0 })), ['?>api.socket']);
});

test('a process that is gone is known by its command, as its like was seen before', () => {
  const { ends, processes } = open({
    processes: { 100: { executable: 'node', command: 'MainThread', cgroupPaths: ['/'] } },
  });
  const named = (command: string) => ({ command, command_length: command.length });
  assert.deepEqual(ends('flows', flow({ ...CLIENT, ...named('MainThread') })), ['node>?']);
  delete processes[100];
  assert.deepEqual(ends('flows', flow({ ...CLIENT, ...named('MainThread'), pid: 101 })), ['node>?']);
  assert.deepEqual(ends('flows', flow({ ...CLIENT, ...named('curl'), pid: 102 })), ['curl>?']);
  assert.deepEqual(ends('tcp_events', record('tcp_event', connection({ ...CLIENT, pid: 102 }))), ['curl>?']);
});

test('another command under the same pid is looked into: a thread, or another process by now', () => {
  const { ends, processes, wall } = open({ processes: { 100: process('java') } });
  const named = (command: string) => ({ command, command_length: command.length });
  assert.deepEqual(ends('flows', flow({ ...CLIENT, ...named('http-worker-1') })), ['java>?']);
  wall.nowNs += 2_000_000_000n;
  assert.deepEqual(ends('flows', flow({ ...CLIENT, ...named('http-worker-2') })), ['java>?']);
  processes[100] = process('curl');
  wall.nowNs += 2_000_000_000n;
  assert.deepEqual(ends('flows', flow({ ...CLIENT, ...named('curl') })), ['curl>?']);
});

test('an event that comes before its flow is known by the command that the flow brings', () => {
  const { ends } = open();
  const curl = { ...CLIENT, command: 'curl', command_length: 4 };
  assert.deepEqual(ends('tcp_events', record('tcp_event', connection(CLIENT)), flow(curl)), ['curl>?']);
});

test('what cannot be looked up is counted', () => {
  const path = open();
  path.ends('tcp_events', record('tcp_event', connection(CLIENT)));
  assert.equal(path.counters.discards.process_gone, 1);
  const many = Array.from({ length: 300 }, (_, index) =>
    record('tcp_event', connection({ ...CLIENT, pid: 1000 + index })),
  );
  path.ends('tcp_events', ...many);
  assert.ok(path.counters.discards.process_lookup_limit > 0);
  const full = open({ ...PAIR, mostEndpoints: 1 });
  full.ends('flows', flow(CLIENT), flow({ ...SERVER }));
  assert.ok(full.counters.discards.endpoint_table_full > 0);
});

test('cgroups that begin and end', () => {
  const { feed, endpoints, counters, ends } = open();
  const change = (cgroup_change: string, path: string) =>
    record('cgroup', {
      cgroup_id: 77,
      cgroup_change,
      path,
      path_length: Math.min(path.length, 1023),
      time_boot_ns: 6_000_000_000n,
    });
  feed('flows', change('created', '/system.slice/job.service'));
  assert.deepEqual(ends('flows', flow({ ...CLIENT, owner_cgroup_id: 77 })), ['job>?']);
  assert.equal(endpoints.takeChanged().length, 0);
  feed('flows', change('removed', '/system.slice/job.service'));
  const [ended] = endpoints.takeChanged();
  assert.equal(ended?.identity.name, 'job.service');
  assert.equal(ended?.validToNs, 1_700_000_006_000_000_000n);
  const [late] = feed('flows', flow({ ...CLIENT, owner_cgroup_id: 77, flow_state: 'closed' }));
  assert.equal(late?.source_endpoint_id, ended?.identity.id.toString());
  assert.equal(endpoints.takeChanged().length, 0, 'what comes late begins no new interval');
  feed('flows', change('created', `/${'x'.repeat(1021)}`));
  assert.equal(counters.discards.cgroup_path_cut, 0);
  feed('flows', change('created', `/${'x'.repeat(1022)}`));
  assert.equal(counters.discards.cgroup_path_cut, 1);
  const { read, aggregated, discarded } = counters.kinds.cgroup;
  assert.deepEqual({ read, aggregated, discarded }, { read: 4, aggregated: 3, discarded: 1 });
});

test('a row tells the container of its observed end, in pods with several, in plain ones, and where only v1 tells', () => {
  const [web, proxy, docker, nested] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)) as [string, ...string[]];
  const podPath = '/kubepods/burstable/pod1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
  const kubernetes: IdentitySource = {
    ...{ name: 'kubernetes', start: async () => undefined, close: () => undefined, ofAddress: () => undefined },
    ofCgroup: (path) => {
      const at = path.indexOf(podPath);
      return at === -1 ? undefined : { ...pod(42n, 'cart'), cgroupPath: path.slice(0, at + podPath.length) };
    },
    ofProcess(_path, { cgroupPaths }) {
      return cgroupPaths.map((path) => this.ofCgroup(path)).find((one) => typeof one === 'object');
    },
  };
  const { feed, processes } = open({
    extraSources: [kubernetes],
    processes: { 100: process('envoy', ['/', `${podPath}/${proxy}`]) },
    cgroups: {
      ...{ 5: `${podPath}/${web}`, 6: `${podPath}/${proxy}/system.slice/app.service`, 7: `/docker/${docker}` },
      ...{ 8: `/docker/${docker}/kubelet${podPath}/${nested}`, 9: podPath, 10: '/system.slice/ssh.service' },
    },
  });
  const containers = (...values: Values[]) =>
    feed('flows', ...values.map((one) => flow({ ...CLIENT, ...one }))).map((row) => row.container_id);
  const of = (owner_cgroup_id: number) => ({ owner_cgroup_id });
  assert.deepEqual(containers(of(5), of(6), of(7), of(8), of(9), of(10), of(1)), [
    ...[web, proxy, docker, nested, null, null, proxy],
  ]);
  delete processes[100];
  assert.deepEqual(containers(of(1), { observation_point: 'unknown' }), [proxy, null]);
  const gone = { ...of(1), pid: 101, command: 'curl', command_length: 4 };
  assert.deepEqual(containers(gone, of(1)), [null, proxy]);
});
