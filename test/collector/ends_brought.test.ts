/** Clients that were brought to a backend of a service when they connected. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ServiceName } from '../../collector/src/control/identity.ts';
import { CLIENT, Cluster, event, flow, openNamed, PAIR, pod, SERVER } from './support/named_ends.ts';
import { connection, requestRecord, type Values } from './support/records.ts';

const ID = 0xfedc_ba98_7654_3210n;
const BACKEND = { destination_address: '10.1.0.5', destination_port: 8080 };
const BROUGHT = { ...CLIENT, ...BACKEND, service_id: ID };

function open() {
  const cluster = new Cluster();
  cluster.holders = [{ address: BACKEND.destination_address, identity: pod(1n, 'cart', false) }];
  const asked: bigint[] = [];
  const names = new Map<bigint, ServiceName>([[ID, { namespace: 'shop', name: 'web', port: 80 }]]);
  const nameOf = (id: bigint) => {
    asked.push(id);
    return names.get(id);
  };
  return { ...openNamed({ ...PAIR, extraSources: [cluster], balanced: { nameOf } }), cluster, asked, names };
}

test('the service is named by its id, and the destination is its backend', () => {
  const { dialled, asked, cluster, feed } = open();
  const expected = 'wrk>cart shop/web 10.1.0.5:8080';
  assert.deepEqual(dialled('flows', ...Array.from({ length: 4 }, () => flow(BROUGHT))), Array(4).fill(expected));
  assert.deepEqual(dialled('tcp_events', event(BROUGHT)), [expected]);
  assert.deepEqual(dialled('requests', requestRecord({}, connection(BROUGHT))), [expected]);
  assert.deepEqual([asked, cluster.askedServices], [[ID], []], 'once per connection, and nobody else');
  const [row] = feed('flows', flow(BROUGHT));
  assert.deepEqual([row!.service_port, row!.destination_address], [80, '10.1.0.5']);
});

test("the server's rows tell what its client dialled, where that is observed", () => {
  const { dialled } = open();
  const server: Values = { ...SERVER, ...BACKEND };
  assert.deepEqual(
    dialled('flows', flow(BROUGHT), flow(server)).map((row) => row.replace(/^.*> ?\S+ /, '')),
    ['shop/web 10.1.0.5:8080', 'shop/web 10.1.0.5:8080'],
  );
  const [alone] = dialled('flows', flow({ ...server, source_port: 7 }));
  assert.match(alone!, / - -$/, 'another client of the same server');
});

test('a drop of the connection that no socket tells of names the service, too', () => {
  const { dialled } = open();
  dialled('flows', flow(BROUGHT));
  const dropped = { ...BROUGHT, service_id: 0n, observation_point: 'unknown', pid: 0, owner_cgroup_id: 0 };
  assert.deepEqual(dialled('tcp_events', event({ ...dropped, socket_cgroup_id: 0, socket_cookie: 0n })), [
    'wrk>cart shop/web 10.1.0.5:8080',
  ]);
});

test('an id that nobody knows names none, until somebody does', () => {
  const { dialled, names, wall } = open();
  const name = names.get(ID)!;
  names.delete(ID);
  assert.deepEqual(dialled('flows', flow(BROUGHT)), ['wrk>cart - 10.1.0.5:8080']);
  names.set(ID, name);
  wall.nowNs += 11_000_000_000n;
  assert.deepEqual(dialled('flows', flow(BROUGHT)), ['wrk>cart shop/web 10.1.0.5:8080']);
});

test('the next connection of a socket is not of the service', () => {
  const { dialled } = open();
  dialled('flows', flow(BROUGHT), flow({ ...BROUGHT, flow_state: 'closed' }));
  const next = { ...BROUGHT, service_id: 0n, generation: 1, source_port: 9 };
  assert.deepEqual(dialled('flows', flow(next)), ['wrk>cart - -']);
});
