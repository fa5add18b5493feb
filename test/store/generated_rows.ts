/** SQL that fills tables with rows drawn from a seed: the same rows for the same seed and count. */
import { insertColumns } from '../../store/remainders.ts';
import type { Table } from '../../store/tables.ts';

/** A deterministic number below `limit` per row and salt. */
export const drawn = (salt: string, limit: number | string): string => `(cityHash64(number, '${salt}') % (${limit}))`;

/**
 * Columns of a SELECT over numbers() for `requests`.
 * @param beginSql DateTime64 of the first row
 */
export function requestColumns(beginSql: string, spacingNs: number): Record<string, string> {
  return {
    time: `${beginSql} + toIntervalNanosecond(number * ${spacingNs} + ${drawn('jitter', spacingNs)})`,
    cluster: "'c'",
    node: "'n1'",
    boot_id: "toUUID('11111111-2222-3333-4444-555555555555')",
    source_endpoint_id: `${drawn('source', 5)}`,
    destination_endpoint_id: `${drawn('destination', 7)} + 1`,
    socket_cookie: `intDiv(number, 10) + 1`,
    source_address: "toIPv6('::ffff:10.0.0.1')",
    destination_address: "toIPv6('2001:db8::2')",
    source_port: `32768 + ${drawn('port', 28000)}`,
    destination_port: '80',
    protocol: '6',
    observation_point: "if(number % 2 = 0, 'client', 'server')",
    ip_version: '4',
    duration_ns: `toUInt64(exp2(20 + ${drawn('duration', 1000)} / 100))`,
    request_index: 'number % 10',
    request_sequence: drawn('request', 2 ** 32),
    response_sequence: drawn('response', 2 ** 32),
    peer_observed: 'number % 4 < 2',
    http_status_code: '200',
    outcome: "['ok', 'ok', 'client_error', 'server_error'][number % 4 + 1]",
    has_trace: 'number % 10 = 0',
    trace_id:
      "if(number % 10 = 0, toFixedString(unhex(hex(sipHash128(intDiv(number, 20)))), 16), toFixedString('', 16))",
    parent_span_id: "if(number % 10 = 0, toFixedString('abcdefgh', 8), toFixedString('', 8))",
    request_protocol: "'http'",
    operation: "'GET'",
    resource: `concat('/r/', toString(${drawn('resource', 5)}))`,
    status: "'200'",
    http_path: "'/r/x'",
    sample_weight: `1 + ${drawn('weight', 3)}`,
  };
}

/** INSERT of `count` generated rows. */
export function insertSql(table: Table, columns: Readonly<Record<string, string>>, count: number): string {
  const values = Object.entries(columns).map(([name, value]) => `${value} AS ${name}`);
  return `INSERT INTO flowspan.${table.name} ${insertColumns(table, Object.keys(columns))} SELECT ${values.join(', ')} FROM numbers(${count})`;
}
