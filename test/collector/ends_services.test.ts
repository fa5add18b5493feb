/** Services that are dialled, and the backends that they lead to. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { CLIENT, Cluster, event, flow, openNamed, PAIR, pod, SERVER, Tracked } from './support/named_ends.ts';
import type { PathOptions } from './support/path.ts';
import { connection, requestRecord, type Values } from './support/records.ts';

const WEB = { address: '10.96.0.1', port: 80, service: { namespace: 'shop', name: 'web', port: 80 } };
const TO_WEB = { ...CLIENT, destination_address: WEB.address };
const BEGINS = { source_sequence_begin: 7, destination_sequence_begin: 8 };

function open(options: PathOptions = {}) {
  const cluster = new Cluster();
  cluster.services = [WEB];
  cluster.holders = [{ address: '10.1.0.5', identity: pod(1n, 'cart', false) }];
  const path = openNamed({ ...PAIR, extraSources: [cluster], ...options });
  return { ...path, cluster };
}

test('the service is that of the address dialled, asked for once per connection', () => {
  const { dialled, cluster } = open();
  const rows = Array.from({ length: 5 }, () => flow(TO_WEB));
  assert.deepEqual(dialled('flows', ...rows), Array(5).fill('wrk>? shop/web -'));
  assert.deepEqual(dialled('tcp_events', event(TO_WEB)), ['wrk>? shop/web -']);
  assert.deepEqual(dialled('requests', requestRecord({}, connection(TO_WEB))), ['wrk>? shop/web -']);
  assert.deepEqual(cluster.askedServices, ['10.96.0.1:80']);
  assert.deepEqual(dialled('flows', flow({ ...TO_WEB, source_port: 2, destination_port: 81 })), ['wrk>? - -']);
  const dropped = { ...TO_WEB, observation_point: 'unknown', pid: 0, owner_cgroup_id: 0, socket_cgroup_id: 0 };
  assert.deepEqual(dialled('tcp_events', event(dropped)), ['wrk>? shop/web -'], 'a packet without a socket');
  assert.deepEqual(dialled('flows', flow({ ...dropped, source_port: 9 })), ['?>? - -']);
});

test('a service that is told of after its first connection is known soon', () => {
  const { dialled, cluster, wall } = open();
  cluster.services = [];
  assert.deepEqual(dialled('flows', flow(TO_WEB), flow(TO_WEB)), ['wrk>? - -', 'wrk>? - -']);
  assert.equal(cluster.askedServices.length, 1);
  cluster.services = [WEB];
  wall.nowNs += 11_000_000_000n;
  assert.deepEqual(dialled('flows', flow(TO_WEB)), ['wrk>? shop/web -']);
  cluster.services = [];
  wall.nowNs += 11_000_000_000n;
  assert.deepEqual(
    dialled('flows', flow(TO_WEB)),
    ['wrk>? shop/web -'],
    'a service that is gone was dialled all the same',
  );
  assert.deepEqual(
    dialled('flows', flow({ ...TO_WEB, socket_cookie: 8 })),
    ['wrk>? - -'],
    'the same ports, another socket',
  );
});

test("the backend is where the server's own socket is; its rows say the same", () => {
  const { dialled, feed } = open({ conntrack: new Tracked() });
  const client = { ...TO_WEB, ...BEGINS };
  const server = { ...SERVER, ...BEGINS, source_address: '10.1.1.1', destination_port: 8080 };
  const both = ['wrk>nginx shop/web 10.0.0.2:8080', 'wrk>nginx shop/web 10.0.0.2:8080'];
  assert.deepEqual(dialled('flows', flow(client), flow(server)), both);
  const request = (values: Values) => requestRecord({}, connection(values));
  assert.deepEqual(dialled('requests', request(server), request(client)), both);
  assert.deepEqual(dialled('flows', flow(server)), both.slice(1));
  const row = feed('flows', flow({ ...SERVER, source_port: 5 }))[0]!;
  assert.deepEqual([row.service_name, row.backend_address, row.backend_port], [null, null, null]);
});

test('a connection whose addresses are not translated, or at the source only, has no backend', () => {
  const { dialled } = open({ conntrack: new Tracked() });
  const client = { ...CLIENT, ...BEGINS };
  const masked = { ...SERVER, ...BEGINS, source_address: '10.1.1.1', source_port: 9 };
  const plain = ['wrk>nginx - -', 'wrk>nginx - -'];
  assert.deepEqual(dialled('flows', flow(client), flow(masked)), plain);
  const other = { source_sequence_begin: 70, destination_sequence_begin: 80, source_port: 3 };
  assert.deepEqual(dialled('flows', flow({ ...CLIENT, ...other }), flow({ ...SERVER, ...other })), plain);
});

test('a server that is not observed here is known by connection tracking, asked once per connection', () => {
  const tracked = new Tracked();
  const { dialled, told, cluster } = open({ conntrack: tracked });
  tracked.backends.set('10.96.0.1:80', { address: '10.1.0.5', port: 8080 });
  const rows = Array.from({ length: 3 }, () => flow(TO_WEB));
  assert.deepEqual(dialled('flows', ...rows), Array(3).fill('wrk>cart shop/web 10.1.0.5:8080'));
  assert.equal(tracked.asked, 1);
  assert.deepEqual(told('flows', flow(TO_WEB)), ['wrk>cart cgroup>address']);
  const other = { ...TO_WEB, source_port: 2 };
  tracked.backends.delete('10.96.0.1:80');
  assert.deepEqual(dialled('flows', flow(other), flow(other)), ['wrk>? shop/web -', 'wrk>? shop/web -']);
  assert.equal(tracked.asked, 2, 'that there is none is remembered, too');
  assert.deepEqual(dialled('flows', flow({ ...CLIENT, source_port: 3 })), ['wrk>? - -']);
  assert.equal(tracked.asked, 2, 'nobody asks where no service was dialled');
  const noService = cluster.askedServices.length;
  const local = { ...CLIENT, source_address: '127.0.0.1', destination_address: '127.0.0.1' };
  assert.deepEqual(dialled('flows', flow(local)), ['wrk>n1 - -']);
  assert.equal(cluster.askedServices.length, noService, 'nor what a loopback address is');
});

test("who has a NodePort's address is not who was reached", () => {
  const tracked = new Tracked();
  const { told, cluster } = open({ conntrack: tracked });
  cluster.holders.push({ address: '192.0.2.7', identity: { ...pod(9n, 'node-7'), kind: 'node' } });
  cluster.services = [{ address: '192.0.2.7', port: 30_080, service: WEB.service }];
  const to = (destination_port: number) => flow({ ...CLIENT, destination_address: '192.0.2.7', destination_port });
  assert.deepEqual(told('flows', to(22)), ['wrk>node-7 cgroup>address']);
  assert.deepEqual(told('flows', to(30_080)), ['wrk>? cgroup>none']);
  tracked.backends.set('192.0.2.7:30080', { address: '10.1.0.5', port: 8080 });
  const again = { ...CLIENT, socket_cookie: 8, destination_address: '192.0.2.7', destination_port: 30_080 };
  assert.deepEqual(told('flows', flow(again)), ['wrk>cart cgroup>address']);
});

test('without connections a translation may change', () => {
  const tracked = new Tracked();
  const { dialled, wall } = open({ conntrack: tracked });
  tracked.backends.set('10.96.0.1:80', { address: '10.1.0.5', port: 53 });
  const query = flow({ ...TO_WEB, protocol: 17 });
  assert.deepEqual(dialled('flows', query, query), Array(2).fill('wrk>cart shop/web 10.1.0.5:53'));
  assert.equal(tracked.asked, 1);
  tracked.backends.set('10.96.0.1:80', { address: '10.1.0.6', port: 53 });
  wall.nowNs += 11_000_000_000n;
  assert.deepEqual(dialled('flows', query), ['wrk>? shop/web 10.1.0.6:53']);
});

test('what connection tracking could not be asked is counted, and asked later', () => {
  const tracked = new Tracked();
  const { dialled, counters } = open({ conntrack: tracked });
  tracked.backends.set('10.96.0.1:80', -105);
  assert.deepEqual(dialled('flows', flow(TO_WEB)), ['wrk>? shop/web -']);
  assert.equal(counters.discards.conntrack_lookup_failed, 1);
  tracked.backends.set('10.96.0.1:80', { address: '10.1.0.5', port: 8080 });
  assert.deepEqual(dialled('flows', flow(TO_WEB)), ['wrk>cart shop/web 10.1.0.5:8080']);
  const many = Array.from({ length: 300 }, (_, index) => flow({ ...TO_WEB, source_port: 1000 + index }));
  const told = dialled('flows', ...many);
  assert.equal(counters.discards.conntrack_lookup_limit, 300 - 256);
  assert.equal(told.filter((row) => row === 'wrk>? shop/web -').length, 300 - 256);
  assert.deepEqual(dialled('flows', ...many.slice(256)), Array(44).fill('wrk>cart shop/web 10.1.0.5:8080'));
});

test('services beyond what is kept are counted, and none is taken for another', () => {
  const { dialled, cluster, counters } = open({ mostServices: 2 });
  cluster.services = [1, 2, 3].map((last) => ({
    ...{ address: `10.96.0.${last}`, port: 80, service: { namespace: 'shop', name: `s-${last}`, port: 80 } },
  }));
  const to = (last: number) => flow({ ...CLIENT, destination_address: `10.96.0.${last}` });
  assert.deepEqual(dialled('flows', to(1), to(2), to(3), to(2)), [
    'wrk>? shop/s-1 -',
    'wrk>? shop/s-2 -',
    'wrk>? - -',
    'wrk>? shop/s-2 -',
  ]);
  assert.equal(counters.discards.service_table_full, 1);
});

test('numbers of services that no connection keeps are given to others', () => {
  const { dialled, cluster, counters, wall } = open({ mostServices: 2 });
  cluster.services = Array.from({ length: 9 }, (_, last) => ({
    ...{ address: `10.96.0.${last}`, port: 80, service: { namespace: 'shop', name: `s-${last}`, port: 80 } },
  }));
  const to = (last: number) => flow({ ...CLIENT, destination_address: `10.96.0.${last}` });
  const later = (seconds: number) => {
    wall.nowNs += BigInt(seconds) * 1_000_000_000n;
  };
  assert.deepEqual(dialled('flows', to(1), to(2)), ['wrk>? shop/s-1 -', 'wrk>? shop/s-2 -']);
  later(100);
  assert.deepEqual(dialled('flows', to(1), to(3)), ['wrk>? shop/s-1 -', 'wrk>? - -'], 'both are kept still');
  later(30);
  assert.deepEqual(dialled('flows', to(3)), ['wrk>? - -'], 'nobody looks as often as that');
  later(60);
  assert.deepEqual(dialled('flows', to(1), to(3)), ['wrk>? shop/s-1 -', 'wrk>? shop/s-3 -']);
  assert.deepEqual(dialled('flows', to(2), to(1), to(3)), ['wrk>? - -', 'wrk>? shop/s-1 -', 'wrk>? shop/s-3 -']);
  assert.equal(counters.discards.service_table_full, 3);
  for (let last = 4; last < 9; last += 1) {
    later(200);
    assert.deepEqual(dialled('flows', to(last)), [`wrk>? shop/s-${last} -`]);
  }
});

test('a client that comes from an address of this machine, because its own was translated here, is who it is', () => {
  const tracked = new Tracked();
  const nodeAddresses = [addressBytes('10.0.0.254')];
  const { dialled, told, feed, counters } = open({ conntrack: tracked, nodeAddresses });
  const masked = (source_port: number, more: Values = {}) =>
    flow({ ...SERVER, source_address: '10.0.0.254', source_port, ...more });
  tracked.originals.set('10.0.0.2:80<10.0.0.254:7', {
    client: { address: '10.1.0.5', port: 555 },
    dialled: { address: WEB.address, port: WEB.port },
  });
  assert.deepEqual(dialled('flows', masked(7), masked(7)), Array(2).fill('cart>nginx shop/web 10.0.0.2:80'));
  assert.equal(tracked.asked, 1);
  assert.deepEqual(told('flows', masked(7)), ['cart>nginx address>cgroup']);
  // What told it stands in the row, or nobody could correct it.
  const address = (source_port: number) => feed('flows', masked(source_port))[0]!.client_address;
  assert.equal(address(7), '10.1.0.5');
  assert.deepEqual(dialled('flows', masked(8), masked(8)), Array(2).fill('n1>nginx - -'), 'not translated');
  assert.equal(tracked.asked, 2);
  assert.equal(address(8), null);
  assert.deepEqual(dialled('flows', flow({ ...SERVER, source_address: '10.1.0.5' })), ['cart>nginx - -']);
  assert.equal(tracked.asked, 2, 'an address that is not of this machine was not translated here');
  tracked.originals.set('10.0.0.2:80<10.0.0.254:9', {
    client: { address: '10.1.0.5', port: 556 },
    dialled: { address: '10.0.0.2', port: 80 },
  });
  assert.deepEqual(dialled('flows', masked(9)), ['cart>nginx - -'], 'its own address only');
  tracked.originals.set('10.0.0.2:80<10.0.0.254:10', -105);
  assert.deepEqual(dialled('flows', masked(10)), ['n1>nginx - -']);
  assert.equal(counters.discards.conntrack_lookup_failed, 1);
  tracked.originals.delete('10.0.0.2:80<10.0.0.254:10');
  dialled('flows', masked(10), masked(10, { socket_cookie: 8 }));
  assert.equal(tracked.asked, 6, 'asked again after no answer, and for another socket');
  tracked.originals.set('10.0.0.2:80<10.0.0.254:11', {
    client: { address: '10.0.0.254', port: 11 },
    dialled: { address: WEB.address, port: WEB.port },
  });
  assert.deepEqual(dialled('flows', masked(11)), ['n1>nginx shop/web 10.0.0.2:80']);
  assert.equal(address(11), null, 'only the server was translated');
});
