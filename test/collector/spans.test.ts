/** Rows as spans: names, kinds, attributes, resources, events and ids by the conventions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TCP_EVENT_RECORD } from '../../bpf/wire/events.gen.ts';
import { Arena } from '../../collector/src/batch/arena.ts';
import type { Identity } from '../../collector/src/control/identity.ts';
import { Randomness } from '../../collector/src/deliver/spans/probability.ts';
import { connectionHash, RecentEvents } from '../../collector/src/deliver/spans/recent_events.ts';
import { SpanMaker } from '../../collector/src/deliver/spans/request_span.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { connection, record } from './support/records.ts';

type Row = Readonly<Record<string, unknown>>;

const END_NS = 1_795_273_421_661_000_123n;
const CLIENT: Row = {
  time: END_NS,
  cluster: 'c',
  node: 'n1',
  source_endpoint_id: 11n,
  destination_endpoint_id: 22n,
  peer_observed: true,
  socket_cookie: 7n,
  source_address: '10.0.0.1',
  destination_address: '10.0.0.2',
  source_port: 40_000,
  destination_port: 8080,
  pid: 99,
  observation_point: 'client',
  ip_version: 4,
  duration_ns: 5_000_000n,
  request_sent_ns: 1000n,
  response_start_ns: 4_000_000n,
  request_bytes: 100n,
  response_bytes: 2000n,
  request_sequence: 1000,
  response_sequence: 5000,
  http_status_code: 200,
  http_version: 11,
  request_end: 'complete',
  outcome: 'ok',
  operation: 'GET',
  resource: '/users/{id}',
  status: '200',
  http_host: 'shop.test:8080',
  http_path: '/users/7',
  http_query: 'token=REDACTED',
  span_decision: 'ratio',
};
const SERVER: Row = { ...CLIENT, observation_point: 'server', socket_cookie: 8n, application_read_ns: 2000n };

const identity = (values: Partial<Identity>): Identity => ({
  id: 1n,
  kind: 'unit',
  namespace: '',
  workload: '',
  name: '',
  containerId: '',
  cgroupPath: '',
  here: true,
  labels: {},
  ...values,
});
const IDENTITIES: Readonly<Record<string, Identity>> = {
  11: identity({ workload: 'cart', name: 'cart.service' }),
  22: identity({ kind: 'pod', namespace: 'shop', workload: 'users', name: 'users-1', containerId: 'cc' }),
};

function maker(events: readonly Row[] = []) {
  return new SpanMaker({
    cluster: 'c',
    node: 'n1',
    version: '1.2.3',
    identityOf: (id) => IDENTITIES[String(id)],
    eventsOf: () => events.map((event) => encodeRow(TCP_EVENTS, event)),
  });
}

const spanOf = (row: Row, events: readonly Row[] = [], threshold = '0') =>
  maker(events).make({ row: encodeRow(REQUESTS, row), connection: 0, threshold });

describe('span of a request', () => {
  it('is of kind client at the client, with the whole URL', () => {
    const span = spanOf(CLIENT);
    assert.equal(span.kind, 2);
    assert.equal(span.name, 'GET /users/{id}');
    assert.equal(span.attributes['url.full'], 'http://shop.test:8080/users/7?token=REDACTED');
    assert.equal(span.attributes['url.template'], '/users/{id}');
    assert.equal(span.attributes['network.peer.address'], '10.0.0.2');
    assert.equal(span.attributes['network.peer.port'], 8080);
    assert.equal(span.attributes['service.peer.name'], 'users');
    for (const name of ['url.path', 'url.query', 'http.route']) assert.ok(!(name in span.attributes), name);
  });

  it('is of kind server at the server, with path and route', () => {
    const span = spanOf(SERVER);
    assert.equal(span.kind, 1);
    assert.equal(span.attributes['http.route'], '/users/{id}');
    assert.equal(span.attributes['url.path'], '/users/7');
    assert.equal(span.attributes['url.query'], 'token=REDACTED');
    assert.equal(span.attributes['network.peer.address'], '10.0.0.1');
    assert.equal(span.attributes['service.peer.name'], 'cart');
    assert.equal(span.attributes['flowspan.application_read_ns'], 2000);
    for (const name of ['url.full', 'url.template']) assert.ok(!(name in span.attributes), name);
  });

  it('has the times of the row to the nanosecond', () => {
    const { startTime, endTime, duration, events } = spanOf(CLIENT);
    assert.deepEqual(startTime, [1_795_273_421, 656_000_123]);
    assert.deepEqual(endTime, [1_795_273_421, 661_000_123]);
    assert.deepEqual(duration, [0, 5_000_000]);
    assert.deepEqual(
      events.map(({ name, time }) => [name, time]),
      [
        ['request_sent', [1_795_273_421, 656_001_123]],
        ['response_start', [1_795_273_421, 660_000_123]],
      ],
    );
  });

  const failures: readonly [string, number, string, number, number][] = [
    ['ok', 200, '', 0, 0],
    ['ok', 304, '', 0, 0],
    ['client_error', 404, '404', 2, 0],
    ['server_error', 503, '503', 2, 2],
    ['no_response', 0, 'connection_reset', 2, 2],
    ['unknown', 0, '', 0, 0],
  ];
  for (const [outcome, code, type, client, server] of failures) {
    it(`with outcome ${outcome} ${code} is ${client === 2 ? 'an error' : 'none'} at the client, ${server === 2 ? 'an error' : 'none'} at the server`, () => {
      const values = { outcome, http_status_code: code, error_type: type };
      for (const [row, status] of [
        [CLIENT, client],
        [SERVER, server],
      ] as const) {
        const span = spanOf({ ...row, ...values });
        assert.deepEqual(span.status, { code: status });
        assert.equal(span.attributes['error.type'], status === 2 ? type : undefined);
        assert.equal(span.attributes['http.response.status_code'], code === 0 ? undefined : code);
      }
    });
  }

  it('calls a method that the conventions do not know HTTP', () => {
    const unknown = spanOf({ ...SERVER, operation: '_OTHER' });
    assert.equal(unknown.name, 'HTTP /users/{id}');
    assert.equal(unknown.attributes['http.request.method'], '_OTHER');
    assert.ok(!('http.request.method_original' in unknown.attributes));
    const webDav = spanOf({ ...SERVER, operation: 'PROPFIND', resource: '' });
    assert.equal(webDav.name, 'HTTP');
    assert.equal(webDav.attributes['http.request.method_original'], 'PROPFIND');
  });

  const hosts: readonly [string, string, number, string][] = [
    ['shop.test', 'shop.test', 8080, 'http://shop.test/'],
    ['shop.test:9', 'shop.test', 9, 'http://shop.test:9/'],
    ['[::1]:9', '::1', 9, 'http://[::1]:9/'],
    ['[::1]', '::1', 8080, 'http://[::1]/'],
    ['', '10.0.0.2', 8080, 'http://10.0.0.2:8080/'],
  ];
  for (const [host, address, port, url] of hosts) {
    it(`reads the Host header ${JSON.stringify(host)}`, () => {
      const { attributes } = spanOf({ ...CLIENT, http_host: host, http_path: '/', http_query: '' });
      assert.equal(attributes['server.address'], address);
      assert.equal(attributes['server.port'], port);
      assert.equal(attributes['url.full'], url);
    });
  }
  it('writes the URL of an IPv6 address and of the asterisk', () => {
    const row = { ...CLIENT, http_host: '', destination_address: 'fd00::2', destination_port: 80, ip_version: 6 };
    const { attributes } = spanOf({ ...row, operation: 'OPTIONS', http_path: '*', http_query: '' });
    assert.equal(attributes['url.full'], 'http://[fd00::2]');
    assert.equal(attributes['network.type'], 'ipv6');
  });

  it('says why it was sent and where its row is', () => {
    const { attributes } = spanOf(CLIENT);
    assert.equal(attributes['flowspan.sampling.decision'], 'ratio');
    assert.match(String(attributes['flowspan.request_id']), /^[0-9a-f]{64}$/);
    assert.equal(attributes['process.pid'], 99);
  });
});

describe('ids', () => {
  it('link the ends of a request without a traceparent', () => {
    const [client, server] = [spanOf(CLIENT), spanOf(SERVER)];
    assert.equal(client.spanContext().traceId, server.spanContext().traceId);
    assert.equal(server.parentSpanContext?.spanId, client.spanContext().spanId);
    assert.equal(client.parentSpanContext, undefined);
    assert.equal(spanOf({ ...SERVER, peer_observed: false }).parentSpanContext, undefined);
    assert.equal(client.spanContext().traceFlags, 3, 'sampled, and its low bytes are random');
  });

  it('are the traceparent’s where one was sent', () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const sent = { has_trace: true, trace_flags: 0, trace_id: traceId, parent_span_id: '00f067aa0ba902b7' };
    for (const row of [CLIENT, SERVER]) {
      const span = spanOf({ ...row, ...sent }, [], 'c');
      assert.equal(span.spanContext().traceId, traceId);
      assert.equal(span.parentSpanContext?.spanId, '00f067aa0ba902b7');
      assert.equal(span.spanContext().traceFlags, 1);
      assert.equal(span.spanContext().traceState?.serialize(), 'ot=th:c');
    }
  });

  it('carry threshold and randomness for who samples further', () => {
    const randomness = new Randomness();
    randomness.ofSequences(1000, 5000);
    const state = (row: Row) => spanOf(row, [], 'fd70a3d70a3d7').spanContext().traceState?.serialize();
    assert.equal(state(CLIENT), `ot=th:fd70a3d70a3d7;rv:${randomness.text}`);
    assert.equal(state(SERVER), state(CLIENT));
    assert.match(randomness.text, /^[0-9a-f]{14}$/);
  });
});

describe('resource', () => {
  it('is the endpoint that was observed', () => {
    assert.deepEqual(spanOf(CLIENT).resource.attributes, {
      'service.name': 'cart',
      'service.instance.id': '11',
      'k8s.cluster.name': 'c',
      'host.name': 'n1',
      'telemetry.distro.name': 'flowspan',
      'telemetry.distro.version': '1.2.3',
    });
    assert.deepEqual(spanOf(SERVER).resource.attributes, {
      'service.name': 'users',
      'service.namespace': 'shop',
      'service.instance.id': '22',
      'k8s.cluster.name': 'c',
      'k8s.namespace.name': 'shop',
      'k8s.pod.name': 'users-1',
      'k8s.node.name': 'n1',
      'host.name': 'n1',
      'container.id': 'cc',
      'telemetry.distro.name': 'flowspan',
      'telemetry.distro.version': '1.2.3',
    });
  });

  it('is named by its address where nobody knows it', () => {
    const { resource, attributes } = spanOf({ ...CLIENT, source_endpoint_id: 0n, destination_endpoint_id: 0n });
    assert.equal(resource.attributes['service.name'], '10.0.0.1');
    assert.ok(!('service.instance.id' in resource.attributes));
    assert.ok(!('service.peer.name' in attributes));
  });

  it('is one object for all spans of an endpoint', () => {
    const spans = maker();
    const make = (row: Row) => spans.make({ row: encodeRow(REQUESTS, row), connection: 0, threshold: '0' });
    assert.equal(make(CLIENT).resource, make({ ...CLIENT, pid: 5, http_path: '/other' }).resource);
    assert.notEqual(make(CLIENT).resource, make(SERVER).resource);
  });
});

describe('events', () => {
  const retransmit: Row = {
    time: END_NS - 1_000_000n,
    socket_cookie: 8n,
    observation_point: 'server',
    event_kind: 'retransmit',
    retransmit_cause: 'timeout',
    sent_by: 'server',
    segments: 2,
    sequence_begin: 5100,
    sequence_end: 6000,
  };
  const namesOf = (row: Row, events: readonly Row[]) =>
    spanOf(row, events)
      .events.map(({ name }) => name)
      .filter((name) => name === 'retransmit' || name.startsWith('reset'));

  it('tell both ends of bytes of the exchange that were sent again, in order of time', () => {
    for (const row of [CLIENT, SERVER]) {
      const event = spanOf(row, [retransmit]).events.find(({ name }) => name === 'retransmit');
      assert.deepEqual(event?.attributes, {
        'flowspan.sent_by': 'server',
        'flowspan.segments': 2,
        'flowspan.retransmit_cause': 'timeout',
      });
      assert.deepEqual(event?.time, [1_795_273_421, 660_000_123]);
    }
    const early = { ...retransmit, time: END_NS - 4_999_500n };
    const names = spanOf(CLIENT, [retransmit, early]).events.map(({ name }) => name);
    assert.deepEqual(names, ['retransmit', 'request_sent', 'response_start', 'retransmit']);
  });

  it('are those of the exchange’s own bytes and time, around the end of sequence numbers too', () => {
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, sequence_begin: 7000, sequence_end: 8000 }]), []);
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, sequence_begin: 4000, sequence_end: 5000 }]), []);
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, sequence_begin: 4000, sequence_end: 5001 }]), ['retransmit']);
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, time: END_NS - 6_000_000n }]), []);
    const wrapped = { ...SERVER, response_sequence: 2 ** 32 - 1000 };
    assert.deepEqual(namesOf(wrapped, [{ ...retransmit, sequence_begin: 500, sequence_end: 900 }]), ['retransmit']);
    assert.deepEqual(namesOf(wrapped, [{ ...retransmit, sequence_begin: 1000, sequence_end: 1900 }]), []);
  });

  it('tell of resets of the own socket, behind the end only if they are why it ended', () => {
    const reset = { ...retransmit, event_kind: 'reset_received', retransmit_cause: 'none', sent_by: 'client' };
    assert.deepEqual(namesOf(SERVER, [reset]), ['reset_received']);
    assert.deepEqual(namesOf(CLIENT, [reset]), [], 'another socket');
    assert.deepEqual(namesOf(SERVER, [{ ...reset, generation: 1 }]), [], 'connected again');
    const late = { ...reset, time: END_NS + 1000n };
    assert.deepEqual(namesOf(SERVER, [late]), []);
    assert.deepEqual(namesOf({ ...SERVER, request_end: 'connection_reset' }, [late]), ['reset_received']);
  });

  it('are no more than 32 of a kind that comes again and again; the others are counted', () => {
    const span = spanOf(
      SERVER,
      Array.from({ length: 40 }, () => retransmit),
    );
    assert.equal(span.events.filter(({ name }) => name === 'retransmit').length, 32);
    assert.equal(span.droppedEventsCount, 8);
  });
});

describe('recent events', () => {
  const arena = new Arena(64 * 1024);
  const at = arena.take(1024);
  const put = (values: Parameters<typeof connection>[0]) => {
    arena.bytes.set(record('tcp_event', { ...connection(values), event_kind: 'retransmit' }), at);
  };
  const hash = () =>
    connectionHash(arena.bytes, at + TCP_EVENT_RECORD.source_address, at + TCP_EVENT_RECORD.source_port);

  it('are found again by their connection, the latest first', () => {
    const events = new RecentEvents(arena);
    for (let index = 0; index < 10; index += 1) {
      put({ source_port: 40_000 + (index % 2) });
      assert.ok(events.wants(at));
      events.keep(Uint8Array.of(index));
    }
    put({ source_port: 40_001 });
    assert.deepEqual(
      events.of(hash()).map(([first]) => first),
      [9, 7, 5, 3, 1],
    );
    put({ source_port: 50_000 });
    assert.deepEqual(events.of(hash()), []);
  });

  it('are no others than retransmits and resets', () => {
    const events = new RecentEvents(arena);
    const wanted = ['retransmit', 'reset_sent', 'reset_received', 'drop', 'connect_failed', 'zero_window'].filter(
      (kind) => {
        arena.bytes.set(record('tcp_event', { ...connection(), event_kind: kind }), at);
        return events.wants(at);
      },
    );
    assert.deepEqual(wanted, ['retransmit', 'reset_sent', 'reset_received']);
  });

  it('forget the oldest first, and stay as many', () => {
    const events = new RecentEvents(arena);
    put({ source_port: 1 });
    const first = hash();
    events.wants(at);
    events.keep(Uint8Array.of(1));
    for (let index = 0; index < 8191; index += 1) {
      put({ source_port: 2 + (index % 1000) });
      events.wants(at);
      events.keep(Uint8Array.of(2));
    }
    assert.equal(events.of(first).length, 1);
    put({ source_port: 5000 });
    events.wants(at);
    events.keep(Uint8Array.of(3));
    assert.deepEqual(events.of(first), []);
    events.keep(new Uint8Array(513));
    assert.equal(events.of(hash()).length, 1, 'a row that is too long is left out');
  });
});
