/** Rows of every kind that the tests of filters and forms ask for. */
import { ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS, VERDICTS } from '../../store/tables.ts';
import { endpoint, event, flow, MS, request, SECOND, verdict } from './rows.ts';
import type { Scene } from './scene.ts';

/** The largest 64-bit number. */
export const MAX = 18446744073709551615n;

/** Inserts three endpoints, four requests, five flows, three events and five verdicts, a second apart from BEGIN on. */
export async function insertSamples(scene: Scene): Promise<void> {
  await scene.insert(ENDPOINTS, [
    endpoint(1n, 'checkout', { namespace: 'shop', kind: 'pod', name: 'checkout-7d9f-x2' }),
    endpoint(2n, 'nginx.service'),
    endpoint(3n, 'cart', { namespace: 'shop', kind: 'pod', name: 'cart-0' }),
  ]);
  await scene.insert(REQUESTS, [
    request(1n * SECOND, { http_status_code: 200, http_path: '/items/7', operation: 'GET' }),
    request(2n * SECOND, { http_status_code: 404, http_path: '/items/8,9', operation: 'POST', request_index: 1 }),
    request(3n * SECOND, { http_status_code: 503, http_path: '/cart', duration_ns: 60n * MS, request_index: 2 }),
    request(4n * SECOND, { http_status_code: 0, http_path: '/100%_x', source_endpoint_id: 3n, request_index: 3 }),
  ]);
  await scene.insert(FLOWS, [
    flow(1n * SECOND, {
      socket_cookie: MAX,
      bytes_sent: MAX,
      source_address: '2001:db8::7',
      ip_version: 6,
      pid: 0,
      source_endpoint_id: 0n,
    }),
    flow(2n * SECOND, {
      protocol: 17,
      source_address: '192.168.3.4',
      destination_port: 53,
      pid: 77,
      verdict: 'DROPPED',
    }),
    flow(3n * SECOND, { application_protocol: 'tls', source_port: 50001 }),
    flow(4n * SECOND, { application_protocol: 'tls', source_port: 50001, observation_point: 'client' }),
    flow(5n * SECOND, { application_protocol: 'http2', source_port: 50002, source_address: '192.168.3.5' }),
  ]);
  await scene.insert(TCP_EVENTS, [
    event(1n * SECOND),
    event(2n * SECOND, { event_kind: 'drop', retransmit_cause: 'none', drop_reason: 'TCP_INVALID_SEQUENCE' }),
    event(3n * SECOND, {
      event_kind: 'connect_failed',
      retransmit_cause: 'none',
      error_number: 111,
      latency_ns: 3n * MS,
    }),
  ]);
  const unnamed = { policy_kind: '', policy_namespace: '', policy_name: '', rule_index: -1, rule_path: '' };
  const asked = { http_method: 'DELETE', http_host: 'cart.example', http_path: '/items/7,8' };
  const outside = { peer_entity: 'world', peer_namespace: '', peer_workload: '', peer_identity: 9n };
  await scene.insert(VERDICTS, [
    verdict(1n * SECOND, { count: 3n }),
    verdict(2n * SECOND, {
      ...{ policy_verdict: 'denied', count: MAX - 10n, rule_index: -1, policy_reason: 'isolated', rule_path: '' },
      ...outside,
      source_address: '192.0.2.7',
    }),
    verdict(3n * SECOND, {
      ...{ policy_verdict: 'audited', policy_mode: 'audit', count: 5n, http_judged: 'denied', ...asked },
      ...{ policy_kind: 'CiliumNetworkPolicy', rule_index: -1, policy_reason: 'no_http_rule', rule_path: '' },
    }),
    verdict(4n * SECOND, {
      ...{ policy_verdict: 'no_policy', policy_reason: 'no_policy', count: 2n, ...unnamed, protocol: 17 },
      ...{ traffic_direction: 'egress', destination_port: 53 },
    }),
    verdict(5n * SECOND, {
      ...{ policy_verdict: 'denied', count: 1n, rule_index: 2, rule_path: 'spec.ingress[2]' },
      ...{ http_judged: 'unjudged', http_reason: 'framing', http_method: 'PUT', http_path: '/' },
    }),
  ]);
}
