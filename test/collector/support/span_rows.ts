/** A request seen from both ends, and spans made of its rows. */
import type { Identity } from '../../../collector/src/control/identity.ts';
import { SpanMaker } from '../../../collector/src/deliver/spans/request_span.ts';
import { encodeRow } from '../../../store/rowbinary.ts';
import { REQUESTS, TCP_EVENTS } from '../../../store/tables.ts';

export type Row = Readonly<Record<string, unknown>>;

export const END_NS = 1_795_273_421_661_000_123n;
/** The row of the client's end. */
export const CLIENT: Row = {
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
/** The row of the server's end. */
export const SERVER: Row = { ...CLIENT, observation_point: 'server', socket_cookie: 8n, application_read_ns: 2000n };

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

/** @param events rows that may be of any connection, the latest first */
export function spanMaker(events: readonly Row[] = []) {
  return new SpanMaker({
    cluster: 'c',
    node: 'n1',
    version: '1.2.3',
    serviceLabels: false,
    identityOf: (id) => IDENTITIES[String(id)],
    eventsOf: () => events.map((event) => encodeRow(TCP_EVENTS, event)),
  });
}

export const spanOf = (row: Row, events: readonly Row[] = [], threshold = '0') =>
  spanMaker(events).make({ row: encodeRow(REQUESTS, row), connection: 0, threshold });
