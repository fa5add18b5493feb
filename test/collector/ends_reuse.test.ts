/** Addresses and ports that are used again: what was remembered of a connection is not another's. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Identity } from '../../collector/src/control/identity.ts';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { CLIENT, Cluster, event, flow, openNamed, process, SERVER } from './support/named_ends.ts';
import { connection, record, requestRecord } from './support/records.ts';

const PROCESSES = { processes: { 100: process('wrk'), 200: process('nginx'), 300: process('redis') } };
const CLOSED = { flow_state: 'closed' };
/** The same addresses and ports once more. */
const AGAIN = { ...CLIENT, socket_cookie: 17 };
const OTHER = { ...SERVER, pid: 300, socket_cookie: 18 };

function open() {
  const cluster = new Cluster();
  const path = openNamed({ ...PROCESSES, extraSources: [cluster] });
  path.told('flows', flow(CLIENT), flow({ ...SERVER, socket_cookie: 8 }));
  path.told('flows', flow({ ...SERVER, socket_cookie: 8, ...CLOSED }), flow({ ...CLIENT, ...CLOSED }));
  cluster.doubtful = ['10.0.0.2', '10.0.0.1'];
  return { ...path, cluster };
}

test('a new client does not reach the server of the connection before', () => {
  const { told } = open();
  assert.deepEqual(told('flows', flow(CLIENT)), ['wrk>nginx cgroup>socket'], 'the same one does');
  assert.deepEqual(told('flows', flow(AGAIN)), ['wrk>? cgroup>none']);
});

test('whichever end is seen first of the new connection, both are of it', () => {
  const expected = ['wrk>redis cgroup>socket', 'wrk>redis socket>cgroup'];
  assert.deepEqual(open().told('flows', flow(AGAIN), flow(OTHER)), expected);
  assert.deepEqual(open().told('flows', flow(OTHER), flow(AGAIN)), expected.toReversed());
  const { told } = open();
  assert.deepEqual(
    told('flows', flow(OTHER)),
    ['?>redis none>cgroup'],
    'nor does a new server serve the client of before',
  );
});

test('an owner that cannot be told is not the one of before', () => {
  const { told } = open();
  const unknown = { ...SERVER, pid: 0, socket_cookie: 18, netns: 4026531840, destination_port: 80 };
  told('flows', flow({ ...OTHER, source_port: 5 }), flow({ ...SERVER, source_port: 6, socket_cookie: 19 }));
  assert.deepEqual(told('flows', flow(unknown)), ['?>? none>none']);
});

test('what comes late of the connection before does not tell of the new one, and is not told of it', () => {
  const { told } = open();
  told('flows', flow(AGAIN), flow(OTHER));
  const late = [
    requestRecord({}, connection({ ...SERVER, socket_cookie: 8 })),
    requestRecord({}, connection({ ...CLIENT })),
  ];
  assert.equal(told('requests', late[0]!)[0], 'wrk>nginx socket>cgroup', 'servers’ sockets may be their listener’s');
  assert.equal(told('requests', late[1]!)[0], 'wrk>? cgroup>none');
  assert.deepEqual(told('flows', flow(AGAIN)), ['wrk>redis cgroup>socket']);
});

test('the first events of a connection, which come before its flow, begin it', () => {
  const { told } = open();
  assert.deepEqual(told('tcp_events', event(AGAIN)), ['wrk>? cgroup>none']);
  assert.deepEqual(told('flows', flow(AGAIN), flow(OTHER)), ['wrk>redis cgroup>socket', 'wrk>redis socket>cgroup']);
});

test('who has ended listens nowhere and has no address', () => {
  const path = openNamed({ ...PROCESSES, cgroups: { 20: '/system.slice/api.service' } });
  const api = { ...SERVER, owner_cgroup_id: 20 };
  path.told('flows', flow({ ...api, source_port: 1 }));
  path.bothEnds.noteLocalAddress(addressBytes('10.7.0.1'), path.localEnd.ofProcess(200));
  const local = path.identity.ofCgroup('/system.slice/api.service') as Identity;
  const number = path.endpoints.numberOf(local.id);
  path.bothEnds.noteLocalAddress(addressBytes('10.7.0.2'), number);
  const to = (destination_address: string, source_port: number) =>
    flow({ ...CLIENT, destination_address, source_port });
  assert.deepEqual(path.told('flows', to('10.0.0.2', 2), to('10.7.0.2', 2), to('10.7.0.1', 2)), [
    'wrk>api cgroup>address',
    'wrk>api cgroup>address',
    'wrk>nginx cgroup>address',
  ]);
  const gone = '/system.slice/api.service';
  path.feed(
    'flows',
    record('cgroup', { cgroup_id: 20, cgroup_change: 'removed', path: gone, path_length: gone.length }),
  );
  assert.deepEqual(path.told('flows', to('10.0.0.2', 3), to('10.7.0.2', 3), to('10.7.0.1', 3)), [
    'wrk>? cgroup>none',
    'wrk>? cgroup>none',
    'wrk>nginx cgroup>address',
  ]);
  assert.deepEqual(path.told('flows', to('10.0.0.2', 2)), ['wrk>? cgroup>none']);
});
