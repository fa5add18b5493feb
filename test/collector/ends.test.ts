import assert from 'node:assert/strict';
import test from 'node:test';
import type { Identity, IdentitySource } from '../../collector/src/control/identity.ts';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { CLIENT, flow, openNamed as open, PAIR, process, SERVER } from './support/named_ends.ts';
import { connection, requestRecord, type Values } from './support/records.ts';

test('both ends on this machine: each side tells who it is, also to records that came before', () => {
  const { ends } = open(PAIR);
  assert.deepEqual(ends('flows', flow({ ...CLIENT, flow_state: 'opened' }), flow(SERVER)), ['wrk>nginx', 'wrk>nginx']);
});

test('where addresses are translated between the ends, sequence numbers tell that it is one connection', () => {
  const path = open(PAIR);
  const begins = { source_sequence_begin: 7_000_000, destination_sequence_begin: 4_000_000_000 };
  const client = { ...CLIENT, destination_address: '10.96.0.1', ...begins };
  const server = { ...SERVER, source_address: '10.1.1.1', source_port: 2, destination_port: 8080, ...begins };
  assert.deepEqual(path.ends('flows', flow(client), flow(server)), ['wrk>nginx', 'wrk>nginx']);
  const ofRequests = [client, server].map((values) => requestRecord({}, connection(values)));
  assert.deepEqual(path.ends('requests', ...ofRequests), ['wrk>nginx', 'wrk>nginx']);
  assert.deepEqual(
    path.feed('requests', ...ofRequests).map((row) => row.peer_observed),
    [true, true],
  );
  const other = { ...server, source_sequence_begin: 7_000_001 };
  const [row] = path.feed('flows', flow(other));
  assert.equal(row!.peer_observed, false, 'another connection');
  const [untold] = path.feed(
    'flows',
    flow({ ...client, source_port: 3, ...{ source_sequence_begin: 0, destination_sequence_begin: 0 } }),
  );
  assert.equal(untold!.peer_observed, false);
});

test('records of one look are resolved with what the next look brings', () => {
  const { pipeline, drain, rings, out, endpoints } = open(PAIR);
  rings[0].records.push(flow(CLIENT));
  drain.look();
  assert.equal(out.get('flows'), undefined);
  rings[0].records.push(flow(SERVER));
  drain.look();
  const [row] = out.get('flows') ?? [];
  assert.equal(
    row?.destination_endpoint_id,
    endpoints
      .takeChanged()
      .find((one) => one.identity.name === 'nginx')
      ?.identity.id.toString(),
  );
  pipeline.finish();
  assert.equal(out.get('flows')?.length, 2);
});

test('a server that has not touched its connection is who the earlier ones belonged to', () => {
  const { ends } = open(PAIR);
  assert.deepEqual(ends('flows', flow({ ...SERVER, pid: 0 })), ['?>?']);
  ends('flows', flow({ ...SERVER, source_port: 1 }));
  assert.deepEqual(ends('flows', flow({ ...CLIENT, source_port: 2 }), flow({ ...SERVER, source_port: 2, pid: 0 })), [
    'wrk>nginx',
    'wrk>nginx',
  ]);
});

test('a server that listens on all addresses is known before its first connection', () => {
  const path = open(PAIR);
  path.pipeline.finish();
  path.bothEnds.noteListener(6, addressBytes('::'), 80, 4026531840, path.localEnd.ofProcess(200));
  assert.deepEqual(path.ends('flows', flow({ ...SERVER, pid: 0 })), ['?>nginx']);
  assert.deepEqual(path.ends('flows', flow({ ...SERVER, pid: 0, source_port: 2, netns: 5 })), ['?>?']);
});

test('a port that different endpoints answered for is nobody in particular', () => {
  const { ends } = open({ processes: { ...PAIR.processes, 300: process('haproxy') } });
  ends('flows', flow({ ...SERVER, source_port: 1 }), flow({ ...SERVER, source_port: 2, pid: 300 }));
  assert.deepEqual(ends('flows', flow({ ...SERVER, source_port: 3, pid: 0 })), ['?>?']);
  assert.deepEqual(ends('flows', flow({ ...CLIENT, source_port: 1 })), ['wrk>nginx']);
});

test('loopback addresses of two namespaces are not mixed up', () => {
  const { ends } = open({ processes: { ...PAIR.processes, 300: process('redis') } });
  const local = { source_address: '127.0.0.1', destination_address: '127.0.0.1' };
  assert.deepEqual(
    ends(
      'flows',
      flow({ ...CLIENT, ...local, netns: 1 }),
      flow({ ...SERVER, ...local, netns: 1 }),
      flow({ ...SERVER, ...local, netns: 2, pid: 300 }),
    ),
    ['wrk>nginx', 'wrk>nginx', 'n1>redis'],
  );
});

test('namespaces that use the same addresses at the same time tell nothing of each other', () => {
  const { ends } = open({ processes: { ...PAIR.processes, 300: process('redis') } });
  const server = (netns: number, pid: number, more: Values = {}) => flow({ ...SERVER, netns, pid, ...more });
  assert.deepEqual(ends('flows', flow(CLIENT), server(1, 200), server(2, 300)), ['wrk>?', 'wrk>nginx', 'wrk>redis']);
  assert.deepEqual(ends('flows', flow(CLIENT), server(1, 200)), ['wrk>?', 'wrk>nginx']);
});

test('a connection that is over may begin again in another namespace', () => {
  const { ends } = open({ processes: { ...PAIR.processes, 300: process('redis') } });
  const server = (netns: number, pid: number, more: Values = {}) => flow({ ...SERVER, netns, pid, ...more });
  ends('flows', flow(CLIENT), server(1, 200, { flow_state: 'closed' }));
  assert.deepEqual(ends('flows', server(2, 300), flow(CLIENT)), ['wrk>redis', 'wrk>redis']);
});

test('outside addresses have the name of the longest range, local ones never', () => {
  const outside = [
    { name: 'office', cidrs: ['10.0.0.0/8', '2001:db8::/32'] },
    { name: 'vpn', cidrs: ['10.9.0.0/16'] },
  ];
  const { ends, bothEnds, identity } = open({ ...PAIR, outside });
  const to = (destination_address: string, port: number) => flow({ ...CLIENT, source_port: port, destination_address });
  assert.deepEqual(ends('flows', to('10.8.0.1', 1), to('10.9.0.1', 2), to('192.0.2.1', 3), to('2001:db8::1', 4)), [
    'wrk>office',
    'wrk>vpn',
    'wrk>?',
    'wrk>office',
  ]);
  assert.deepEqual(ends('flows', to('10.0.0.1', 5)), ['wrk>?']);
  identity.setOutside([{ name: 'elsewhere', cidrs: ['10.8.0.0/16'] }]);
  bothEnds.forget();
  assert.deepEqual(ends('flows', to('10.8.0.1', 6)), ['wrk>elsewhere']);
});

test("this machine's own addresses without a socket are the node", () => {
  const { ends } = open({ ...PAIR, nodeAddresses: [addressBytes('192.0.2.9')] });
  assert.deepEqual(ends('flows', flow({ ...CLIENT, destination_address: '192.0.2.9', close_cause: 'refused' })), [
    'wrk>n1',
  ]);
  assert.deepEqual(ends('flows', flow({ ...CLIENT, destination_address: '::1' })), ['wrk>n1']);
});

test('an address without a socket is who lives alone in its namespace, or nobody', () => {
  const { ends, bothEnds, localEnd, pipeline } = open({
    ...PAIR,
    outside: [{ name: 'office', cidrs: ['10.0.0.0/8'] }],
  });
  pipeline.finish();
  const refused = (destination_address: string) => flow({ ...CLIENT, destination_address, close_cause: 'refused' });
  bothEnds.noteLocalAddress(addressBytes('10.7.0.1'), localEnd.ofProcess(200));
  bothEnds.noteLocalAddress(addressBytes('10.7.0.2'), 0);
  bothEnds.noteLocalAddress(addressBytes('10.7.0.3'), localEnd.ofProcess(200));
  bothEnds.noteLocalAddress(addressBytes('10.7.0.3'), localEnd.ofProcess(100));
  assert.deepEqual(ends('flows', refused('10.7.0.1'), refused('10.7.0.2'), refused('10.7.0.3'), refused('10.7.0.4')), [
    'wrk>nginx',
    'wrk>?',
    'wrk>?',
    'wrk>office',
  ]);
  assert.ok(bothEnds.missed >= 3);
});

test('an earlier source wins: the seam for Kubernetes', () => {
  const pod: Identity = {
    id: 42n,
    kind: 'pod',
    namespace: 'shop',
    workload: 'cart',
    name: 'cart-0',
    containerId: '',
    cgroupPath: '',
    here: true,
    labels: { app: 'cart' },
  };
  const elsewhere: Identity = { ...pod, id: 43n, workload: 'payments', name: 'payments-0', here: false };
  const kubernetes: IdentitySource = {
    name: 'kubernetes',
    start: async () => undefined,
    close: () => undefined,
    ofCgroup: (path) => (path.startsWith('/kubepods') ? pod : undefined),
    ofProcess: () => undefined,
    ofAddress: (address) => (address[15] === 99 ? pod : address[15] === 98 ? elsewhere : undefined),
  };
  const { ends, feed } = open({
    ...PAIR,
    extraSources: [kubernetes],
    cgroups: { 5: `/kubepods/pod1/${'a'.repeat(64)}` },
  });
  assert.deepEqual(ends('flows', flow({ ...CLIENT, owner_cgroup_id: 5 })), ['cart>?']);
  assert.deepEqual(ends('flows', flow({ ...CLIENT, destination_address: '10.0.0.99' })), ['wrk>cart']);
  const request = (destination_address: string) =>
    feed('requests', requestRecord({}, connection({ ...CLIENT, destination_address })))[0]!;
  assert.equal(request('10.0.0.99').peer_observed, false, 'lives here, and was not seen');
  assert.equal(request('10.0.0.98').peer_observed, true, "another node's collector sees it");
  assert.equal(request('10.0.0.97').peer_observed, false, 'nobody that is known');
});

test('addresses at which an endpoint is reached are told, loopback aside', () => {
  const { endpoints, feed } = open(PAIR);
  const local = { source_address: '127.0.0.1', destination_address: '127.0.0.1' };
  feed('flows', flow(SERVER), flow({ ...SERVER, ...local }), flow({ ...SERVER, destination_address: '2001:db8::5' }));
  const nginx = endpoints.takeChanged().find((row) => row.identity.name === 'nginx');
  assert.deepEqual(nginx?.addresses, ['10.0.0.2', '2001:db8::5']);
});

test('requests find their ends as flows do', () => {
  const { ends } = open(PAIR);
  assert.deepEqual(ends('requests', requestRecord({}, connection(CLIENT)), requestRecord({}, connection(SERVER))), [
    'wrk>nginx',
    'wrk>nginx',
  ]);
});
