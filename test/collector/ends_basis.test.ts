/** How each end was told, and who is told by address at which time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { CLIENT, Cluster, event, flow, openNamed, PAIR, pod, SERVER } from './support/named_ends.ts';
import { EPOCH_NS } from './support/path.ts';

const T = Number(EPOCH_NS / 1_000_000n);
const at = (ms: number) => ({ time_boot_ns: BigInt(ms) * 1_000_000n });
const aged = (ms: number) => ({ connection_age_ns: BigInt(ms) * 1_000_000n });
const LOOPBACK = { source_address: '127.0.0.1', destination_address: '127.0.0.1' };

test("a record's own end is told by its cgroup, the other by its socket here", () => {
  const { told } = openNamed(PAIR);
  assert.deepEqual(told('flows', flow(CLIENT), flow(SERVER)), ['wrk>nginx cgroup>socket', 'wrk>nginx socket>cgroup']);
  const dropped = event({ observation_point: 'unknown', pid: 0, owner_cgroup_id: 0, socket_cgroup_id: 0 });
  assert.deepEqual(told('tcp_events', dropped), ['wrk>nginx socket>socket'], 'a packet without a socket');
});

test('also where addresses are translated between the ends', () => {
  const { told } = openNamed(PAIR);
  const begins = { source_sequence_begin: 7, destination_sequence_begin: 8 };
  const client = flow({ ...CLIENT, ...begins, destination_address: '10.96.0.1' });
  assert.deepEqual(told('flows', client, flow({ ...SERVER, ...begins })), [
    'wrk>nginx cgroup>socket',
    'wrk>nginx socket>cgroup',
  ]);
});

test('a server nobody has touched yet is told by who listens in its namespace', () => {
  const path = openNamed(PAIR);
  path.pipeline.finish();
  path.bothEnds.noteListener(6, addressBytes('::'), 80, 4026531840, path.localEnd.ofProcess(200));
  assert.deepEqual(path.told('flows', flow({ ...SERVER, pid: 0 })), ['?>nginx none>socket']);
  const local = flow({ ...CLIENT, ...LOOPBACK });
  assert.deepEqual(path.told('flows', local), ['wrk>nginx cgroup>socket']);
});

test("an end of its own that it cannot name is told by another record of the same end, or isn't", () => {
  const { told, wall } = openNamed({ processes: { ...PAIR.processes } });
  const unnamed = { ...CLIENT, pid: 0 };
  assert.deepEqual(told('tcp_events', event(unnamed)), ['?>? none>none']);
  assert.deepEqual(told('flows', flow(CLIENT)), ['wrk>? cgroup>none']);
  assert.deepEqual(told('tcp_events', event(unnamed)), ['wrk>? socket>none']);
  wall.nowNs += 10n ** 9n;
  const server = { ...SERVER, pid: 0 };
  assert.deepEqual(told('flows', flow(CLIENT), flow(server)), ['wrk>? cgroup>none', 'wrk>? socket>none']);
});

test('who listened at an address last, seen from elsewhere, is a hint', () => {
  const { told } = openNamed(PAIR);
  told('flows', flow({ ...SERVER, source_port: 1 }));
  assert.deepEqual(told('flows', flow({ ...CLIENT, source_port: 2 })), ['wrk>nginx cgroup>address']);
});

test('outside ranges, the node, and who lives alone in a namespace are told by address', () => {
  const { told, pipeline, bothEnds, localEnd } = openNamed({
    ...PAIR,
    outside: [{ name: 'office', cidrs: ['10.8.0.0/16'] }],
    nodeAddresses: [addressBytes('192.0.2.9')],
  });
  pipeline.finish();
  bothEnds.noteLocalAddress(addressBytes('10.7.0.1'), localEnd.ofProcess(200));
  const to = (destination_address: string) => flow({ ...CLIENT, destination_address });
  assert.deepEqual(told('flows', to('10.8.0.1'), to('192.0.2.9'), to('10.7.0.1'), to('203.0.113.1'), to('::1')), [
    'wrk>office cgroup>address',
    'wrk>n1 cgroup>address',
    'wrk>nginx cgroup>address',
    'wrk>? cgroup>none',
    'wrk>n1 cgroup>address',
  ]);
});

test('whoever had the address is told before who listened there; where nobody is sure, nobody is', () => {
  const cluster = new Cluster();
  cluster.holders = [{ address: '10.0.0.2', identity: pod(1n, 'cart') }];
  const { told } = openNamed({ ...PAIR, extraSources: [cluster] });
  told('flows', flow({ ...SERVER, source_port: 1 }));
  assert.deepEqual(told('flows', flow({ ...CLIENT, source_port: 2 })), ['wrk>cart cgroup>address']);
  cluster.doubtful = ['10.0.0.2'];
  assert.deepEqual(told('flows', flow({ ...CLIENT, source_port: 3 })), ['wrk>? cgroup>none']);
  const stamped = { ...CLIENT, source_port: 4, peer_endpoint_id: 1 };
  assert.deepEqual(told('flows', flow(stamped)), ['wrk>? cgroup>none'], "the kernel's stamp does not decide either");
});

test("the kernel's stamp counts where nobody remembers that the address was anybody's", () => {
  const cluster = new Cluster();
  cluster.holders = [{ address: '10.0.0.2', identity: pod(2n ** 63n + 7n, 'cart') }];
  const { told } = openNamed({ ...PAIR, extraSources: [cluster] });
  const stamped = (source_port: number, protocol = 6) =>
    flow({ ...CLIENT, source_port, protocol, peer_endpoint_id: 2n ** 63n + 7n });
  assert.deepEqual(told('flows', flow({ ...CLIENT, source_port: 1 })), ['wrk>cart cgroup>address']);
  cluster.holders = [];
  assert.deepEqual(told('flows', stamped(2)), ['wrk>cart cgroup>address']);
  assert.deepEqual(told('flows', stamped(3, 17)), ['wrk>cart cgroup>address']);
  assert.deepEqual(told('flows', flow({ ...CLIENT, source_port: 4 })), ['wrk>? cgroup>none']);
  const stranger = flow({ ...CLIENT, source_port: 5, peer_endpoint_id: 99 });
  assert.deepEqual(told('flows', stranger), ['wrk>? cgroup>none'], 'an endpoint that nobody has described');
});

test("where the sources knew the address and were not sure, the kernel's stamp does not count later either", () => {
  const cluster = new Cluster();
  const cart = { address: '10.0.0.2', identity: pod(7n, 'cart') };
  cluster.holders = [cart];
  const { told } = openNamed({ ...PAIR, extraSources: [cluster] });
  const stamped = (protocol: number) => flow({ ...CLIENT, source_port: 1, protocol, peer_endpoint_id: 7n });
  const both = () => told('flows', stamped(6), stamped(17));
  assert.deepEqual(both(), Array(2).fill('wrk>cart cgroup>address'));
  cluster.doubtful = ['10.0.0.2'];
  assert.deepEqual(both(), Array(2).fill('wrk>? cgroup>none'));
  [cluster.doubtful, cluster.holders] = [[], []];
  assert.deepEqual(both(), Array(2).fill('wrk>? cgroup>none'), 'forgotten');
  cluster.holders = [cart];
  assert.deepEqual(both(), Array(2).fill('wrk>cart cgroup>address'), 'told anew');
});

test('the other end is who had the address when the connection began', () => {
  const cluster = new Cluster();
  const [old, next] = [pod(1n, 'old'), pod(2n, 'next')];
  cluster.holders = [
    { address: '10.0.0.2', identity: old, fromMs: T, toMs: T + 5000 },
    { address: '10.0.0.2', identity: next, fromMs: T + 5200 },
  ];
  const { told } = openNamed({ ...PAIR, extraSources: [cluster] });
  const late = { ...CLIENT, ...at(9000) };
  assert.deepEqual(
    told('flows', flow({ ...late, ...aged(6000) }), flow({ ...late, source_port: 2, socket_cookie: 8, ...aged(1000) })),
    ['wrk>old cgroup>address', 'wrk>next cgroup>address'],
  );
  assert.deepEqual(told('tcp_events', event(late)), ['wrk>old cgroup>address'], 'its events go with the flow');
  const alone = event({ ...late, source_port: 3, socket_cookie: 10, ...aged(6000) });
  assert.deepEqual(told('tcp_events', alone), ['wrk>old cgroup>address'], 'and tell of it themselves');
  const other = { ...late, socket_cookie: 9 };
  assert.deepEqual(told('flows', flow(other)), ['wrk>next cgroup>address'], 'the same ports, another socket');
  const orphan = event({ ...late, ...aged(6000) });
  assert.deepEqual(told('tcp_events', orphan), ['wrk>old cgroup>address'], 'an event of the socket before that');
  const udp = flow({ ...late, protocol: 17, ...aged(6000) });
  assert.deepEqual(
    told('flows', udp),
    ['wrk>next cgroup>address'],
    'without connections the time of the record counts',
  );
  const inward = { ...SERVER, source_address: '10.0.0.2', destination_address: '10.0.0.1', ...at(9000) };
  assert.deepEqual(told('flows', flow({ ...inward, ...aged(6000) })), ['old>nginx address>cgroup']);
});

test('news that come late change who that was, and what is forgotten does not', () => {
  const cluster = new Cluster();
  cluster.holders = [{ address: '10.0.0.2', identity: pod(1n, 'old') }];
  const { told } = openNamed({ ...PAIR, extraSources: [cluster] });
  const row = (ms: number) => flow({ ...CLIENT, ...at(1000 + ms), ...aged(ms) });
  assert.deepEqual(told('flows', row(100)), ['wrk>old cgroup>address']);
  cluster.holders = [{ address: '10.0.0.2', identity: pod(2n, 'next') }];
  assert.deepEqual(told('flows', row(10_000)), ['wrk>next cgroup>address']);
  cluster.doubtful = ['10.0.0.2'];
  assert.deepEqual(told('flows', row(20_000)), ['wrk>? cgroup>none']);
  cluster.doubtful = [];
  assert.deepEqual(told('flows', row(30_000)), ['wrk>next cgroup>address']);
  cluster.holders = [];
  assert.deepEqual(told('flows', row(50_000)), ['wrk>next cgroup>address'], 'its source has forgotten it');
  cluster.holders = [{ address: '10.0.0.2', identity: pod(3n, 'third') }];
  const asked = cluster.asked.length;
  assert.deepEqual(told('flows', row(70_000)), ['wrk>next cgroup>address'], 'and no other has it since then');
  assert.equal(
    cluster.asked.slice(asked).filter(([address]) => address === '10.0.0.2').length,
    0,
    'after a minute nobody is asked again',
  );
});
