/** Rows as spans: names, kinds, attributes, resources and ids by the conventions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Randomness } from '../../collector/src/deliver/spans/probability.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { REQUESTS } from '../../store/tables.ts';
import { CLIENT, type Row, SERVER, spanMaker, spanOf } from './support/span_rows.ts';

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

  it('says which service was dialled, where that led to, and which container it was', () => {
    const service = { service_namespace: 'shop', service_name: 'web', backend_address: '10.1.0.5', backend_port: 8080 };
    const told = (row: object) =>
      Object.entries(spanOf({ ...CLIENT, ...row }).attributes).filter(([name]) =>
        /^(container|flowspan\.(service|backend))/.test(name),
      );
    assert.deepEqual(Object.fromEntries(told({ ...service, container_id: 'ab' })), {
      'container.id': 'ab',
      'flowspan.service_namespace': 'shop',
      'flowspan.service_name': 'web',
      'flowspan.backend_address': '10.1.0.5',
      'flowspan.backend_port': 8080,
    });
    assert.deepEqual(told({}), []);
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
      'service.instance.id': 'shop.users-1',
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
    const spans = spanMaker();
    const make = (row: Row) => spans.make({ row: encodeRow(REQUESTS, row), connection: 0, threshold: '0' });
    assert.equal(make(CLIENT).resource, make({ ...CLIENT, pid: 5, http_path: '/other' }).resource);
    assert.notEqual(make(CLIENT).resource, make(SERVER).resource);
  });
});
