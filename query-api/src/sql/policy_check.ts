/** SQL behind /v1/policy/check: connections and requests in groups that policies judge alike, and who their ends were. */
import { PROTOCOLS } from '../../../collector/src/control/policy/model.ts';
import { askedAddress } from '../../../store/resolved.ts';
import { FLOWS, REQUESTS } from '../../../store/tables.ts';
import { ENDS } from '../endpoint_names.ts';
import { scoped } from '../scope.ts';
import { inWindow, OTHER_END_WITHIN_NS } from './conditions.ts';
import { countsSql } from './exchange.ts';
import { endpointsSince, intervalsSql } from './intervals.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { type RowsAsked, rowsSql } from './rows.ts';

/** What of an endpoint policies ask for. */
const PROPERTIES = [
  'kind',
  'namespace',
  'workload',
  'name',
  'node',
  'pod_uid',
  'service_account',
  'labels',
  'addresses',
];

/** Every endpoint that rows of the time can point at, and its intervals in order. */
export function endpointVersionsSql(asked: RowsAsked): BoundQuery {
  const parameters = new Parameters();
  const latest = PROPERTIES.map((name) => `argMax(e.${name}, e.updated) AS ${name}`).join(', ');
  const sql =
    `SELECT toString(e.endpoint_id) AS endpoint_id, toUnixTimestamp64Nano(e.valid_from) AS from_ns, ${latest}` +
    ` FROM ${endpointsSince(asked, parameters)} AND e.valid_from < ${parameters.instant(asked.until)}` +
    ' GROUP BY e.endpoint_id, e.valid_from ORDER BY endpoint_id, from_ns';
  return { sql, parameters };
}

/** How rows are told apart. */
export interface Groups {
  /** Whether endpoints were labelled anew in the time, so that it matters when a row was. */
  readonly byVersion: boolean;
  /** Whether policies ask for addresses. */
  readonly byAddress: boolean;
}

/** Port that policies judge: behind what the initiator dialled. */
const PORT = 'if(t.backend_port = 0, t.destination_port, t.backend_port)';
/** The initiator dialled a service, and nobody knows which port of which pod that led to. */
const UNLED = "t.observation_point = 'client' AND t.service_name != '' AND t.backend_port = 0";
const READ = [
  ...['source_endpoint_id', 'destination_endpoint_id', 'source_address', 'destination_address', 'client_address'],
  ...['backend_address', 'backend_port', 'destination_port', 'service_name', 'observation_point', 'protocol'],
  ...['time', 'sample_weight'],
];

/** Where pods and nodes have their addresses, as IPv6: what has one of these and is nobody's may be one of them. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'].map((one) => {
  const [address, length] = one.split('/');
  return `::ffff:${address}/${96 + Number(length)}`;
});
const isPrivate = (address: string) =>
  [...PRIVATE, 'fc00::/7'].map((range) => `isIPAddressInRange(${address}, '${range}')`).join(' OR ');

function grouped(
  { from, where }: { readonly from: string; readonly where: string },
  asked: RowsAsked,
  { byVersion, byAddress }: Groups,
  columns: Readonly<Record<string, string>>,
  parameters: Parameters,
): string {
  const keys: Record<string, string> = {};
  const shown: Record<string, string> = {};
  for (const end of ENDS) {
    keys[`${end}_id`] = `toString(t.${end}_endpoint_id)`;
    keys[`${end}_from_ns`] = byVersion ? `toUnixTimestamp64Nano(${end}.since)` : '0';
    const address = `toString(${askedAddress(end, 't')})`;
    keys[`${end}_private`] = `if(t.${end}_endpoint_id = 0, ${isPrivate(address)}, 0)`;
    if (byAddress) keys[`${end}_address`] = address;
    else shown[`${end}_address`] = `any(${address})`;
  }
  const all = { ...keys, port: PORT, unled: UNLED, protocol: 't.protocol', ...columns };
  const joins = byVersion
    ? ENDS.map(
        (end) =>
          `ASOF LEFT JOIN (${intervalsSql({ kind: 'e.kind' }, asked, parameters)}) AS ${end} ON ${end}.endpoint_id = t.${end}_endpoint_id AND t.time >= ${end}.since`,
      )
    : [];
  const select = Object.entries({ ...all, ...shown }).map(([name, of]) => `${of} AS ${name}`);
  return [
    `SELECT ${select.join(', ')},`,
    'sum(t.sample_weight) AS weight, max(t.sample_weight) AS heaviest, toString(toUnixTimestamp64Nano(max(t.time))) AS last_ns',
    `FROM ${from} ${joins.join(' ')} WHERE ${where}`,
    `GROUP BY ${Object.keys(all).join(', ')}`,
  ].join('\n');
}

const ATTEMPT = "t.flow_state = 'closed' AND t.interval_index = 0 AND t.connect_ns = 0";
/** What both ends of a connection know of it, as far as its addresses are not translated. */
const TUPLE = `cityHash64(t.protocol, ${askedAddress('source', 't')}, t.source_port, ${askedAddress('destination', 't')}, ${PORT})`;

/**
 * Condition on flows `t`: connections are told by the server's end where that is observed. Attempts that came to nothing
 * are there at the client's end alone. A client's first row is written before the server's, so that `peer_observed` does
 * not tell by itself.
 */
function oneEnd({ scope, since, until }: RowsAsked, parameters: Parameters): string {
  const { from, condition } = scoped(scope, FLOWS.name, 't', parameters);
  const around = { since: since - OTHER_END_WITHIN_NS, until: until + OTHER_END_WITHIN_NS };
  const servers = `SELECT ${TUPLE} FROM ${from} WHERE ${condition} AND ${inWindow(around, 't', parameters)} AND t.observation_point = 'server'`;
  return `(t.observation_point != 'client' OR (${ATTEMPT}) OR (NOT t.peer_observed AND ${TUPLE} NOT IN (${servers})))`;
}

const SURE = { sure: 't.initiator_known' };

/** Connections, each once: by its first row in the time. */
export function connectionGroupsSql(asked: RowsAsked, groups: Groups): BoundQuery {
  const parameters = new Parameters();
  const first = `(t.interval_index = 0 OR t.time - toIntervalNanosecond(t.duration_ns) < ${parameters.instant(asked.since)})`;
  const columns = [...READ, 'initiator_known'];
  const rows = rowsSql(asked, { table: FLOWS, columns, conditions: [first, oneEnd(asked, parameters)] }, parameters);
  return { sql: grouped(rows, asked, groups, SURE, parameters), parameters };
}

/** Those of them, each once, that carried what is no HTTP/1. Their first rows do not tell: nothing was sent by then. */
export function opaqueGroupsSql(asked: RowsAsked, groups: Groups, ports: readonly number[]): BoundQuery {
  const parameters = new Parameters();
  const conditions = [
    "t.application_protocol IN ('tls', 'http2', 'other')",
    `t.protocol = ${PROTOCOLS.TCP} AND ${PORT} IN ${parameters.bind(ports, 'Array(UInt16)')}`,
    oneEnd(asked, parameters),
  ];
  const columns = [...READ, 'initiator_known', 'boot_id', 'socket_cookie', 'generation'];
  const { from, where } = rowsSql(asked, { table: FLOWS, columns, conditions }, parameters);
  const each = columns.map((name) => `t.${name} AS ${name}`).join(', ');
  const once = `(SELECT ${each} FROM ${from} WHERE ${where} LIMIT 1 BY t.boot_id, t.socket_cookie, t.generation) AS t`;
  return { sql: grouped({ from: once, where: '1' }, asked, groups, SURE, parameters), parameters };
}

/** Requests, each once: at the server's end where that is observed. @param ports of TCP at which requests are judged */
export function requestGroupsSql(asked: RowsAsked, groups: Groups, ports: readonly number[]): BoundQuery {
  const parameters = new Parameters();
  const wanted = `${PORT} IN ${parameters.bind(ports, 'Array(UInt16)')}`;
  const columns = [...READ, 'operation', 'http_host', 'http_path', 'http_query', 'http_version', 'text_truncated'];
  const conditions = [wanted, countsSql(asked, parameters)];
  const rows = rowsSql(asked, { table: REQUESTS, columns, conditions }, parameters);
  const told = {
    ...{ method: 't.operation', host: 't.http_host', path: 't.http_path', query: 't.http_query' },
    ...{ version: 't.http_version', is_cut: 't.text_truncated' },
  };
  return { sql: grouped(rows, asked, groups, told, parameters), parameters };
}
