/** Flags that say which rows are meant, with hubble's names, as parameters of the query API. */
import { rfc3339 } from '../../store/time.ts';
import { parseInstant } from '../src/time.ts';

/** A command line that cannot be understood; `code` is FLOW_CLI_USAGE. */
export class UsageError extends Error {
  readonly code = 'FLOW_CLI_USAGE';
}

/** A flag that filters: the parameters of the query API it stands for. */
export interface FilterFlag {
  readonly parameter: string;
  readonly doc: string;
  /** The value as the query API spells it. */
  readonly value?: (text: string) => string;
  /** What excludes a value, as the query API spells it; a leading `!` if absent. */
  readonly not?: (text: string) => string;
}

/** hubble's pod filters are prefixes: `[namespace/]name`. */
const prefix = (text: string) => (/[*?]$|^\d+$/.test(text) ? text : `${text}*`);
const pod = (parameter: string, whom: string): FilterFlag => ({
  parameter,
  doc: `${whom} is this pod, unit, container or process: [namespace/]name, by prefix or with * and ?`,
  value: prefix,
});
const plain = (parameter: string, doc: string): FilterFlag => ({ parameter, doc });
const label = (parameter: string, whom: string): FilterFlag => ({
  parameter,
  doc: `labels of ${whom}: app=web,tier in (a,b),!canary`,
  not: (text) => `!(${text})`,
});
/** One flag for each end and one for either. */
function sides(name: string, parameter: string, what: string, make = plain): Record<string, FilterFlag> {
  const whose = make === label ? '' : `${what} of `;
  return {
    [`from-${name}`]: make(`source_${parameter}`, `${whose}the source`),
    [`to-${name}`]: make(`destination_${parameter}`, `${whose}the destination`),
    [name]: make(parameter, `${whose}either end`),
  };
}
/** The parameter `node` is the node that observed it: hubble's --node-name. */
const { node: _either, ...NODES } = sides('node', 'node', 'node');

/** All flags that filter, by name without the dashes. */
export const FILTERS: Readonly<Record<string, FilterFlag>> = {
  'from-pod': pod('source', 'the source'),
  'to-pod': pod('destination', 'the destination'),
  pod: pod('endpoint', 'either end'),
  ...sides('namespace', 'namespace', 'namespace'),
  ...sides('workload', 'workload', 'workload'),
  ...sides('service', 'services', 'one of the services'),
  'via-service': plain('service', 'service that was dialled: [namespace/]name'),
  ...sides('container', 'container', 'container (where there is just one)'),
  ...NODES,
  ...sides('zone', 'zone', 'zone'),
  ...sides('label', 'label', '', label),
  'from-ip': plain('source_address', 'address of the source, exactly or as CIDR'),
  'to-ip': plain('destination_address', 'address of the destination'),
  ip: plain('address', 'address of either end'),
  'from-port': plain('source_port', 'port of the source'),
  'to-port': plain('destination_port', 'port of the destination'),
  port: plain('port', 'port of either end'),
  protocol: plain('protocol', 'tcp, udp or http'),
  verdict: plain('verdict', 'FORWARDED, DROPPED, AUDIT, …; with -t verdict also allowed, denied, audited, no_policy'),
  'http-status': plain('status', '404, 5+, 5xx or 500..599'),
  'http-method': plain('method', 'get, post, …'),
  'http-path': plain('path', 'path, exactly or with * and ? (/items/*)'),
  'http-host': plain('host', 'Host header'),
  'trace-id': plain('trace_id', 'trace id of the traceparent'),
  'policy-name': plain('policy_name', 'policy whose rule decided, by its name'),
  'node-name': plain('node', 'node that observed it'),
  cluster: plain('cluster', 'cluster'),
  outcome: plain('outcome', 'ok, client_error, server_error, no_response, refused, unknown'),
  cause: plain('cause', 'why it was closed, sent again, dropped or reset'),
  kind: plain('kind', 'kind of event: retransmit, reset_sent, drop, …'),
  'min-duration': plain('min_duration', 'at least this long: 50ms'),
};

/** A token of a command line, as node's parseArgs tells them. */
interface Token {
  readonly kind: string;
  readonly name?: string;
  readonly value?: string | undefined;
}

/**
 * The filters of a command line; `--not` negates the one behind it.
 * @throws UsageError
 */
export function readFilters(tokens: readonly Token[]): { filters: URLSearchParams; onlyRequests: boolean } {
  const filters = new URLSearchParams();
  let negated = false;
  let onlyRequests = false;
  for (const { kind, name = '', value } of tokens) {
    if (kind !== 'option') continue;
    if (name === 'not') {
      negated = true;
      continue;
    }
    const flag = FILTERS[name];
    if (flag === undefined || value === undefined) continue;
    // `--protocol http` speaks of requests
    if (name === 'protocol' && value.toLowerCase() === 'http' && !negated) onlyRequests = true;
    else {
      const spelled = flag.value === undefined ? value : flag.value(value);
      filters.append(flag.parameter, negated ? (flag.not ?? ((text) => `!${text}`))(spelled) : spelled);
    }
    negated = false;
  }
  if (negated) throw new UsageError('--not: needs a filter behind it');
  return { filters, onlyRequests };
}

/** Lines of a help text. */
export function filterHelp(names: readonly string[]): string[] {
  return names.map((name) => `  --${name.padEnd(16)} ${FILTERS[name]?.doc ?? ''}`);
}

/** `15m` as a point in time, so that it means the same in every question; what cannot be read the query API refuses. */
export function fixedTime(text: string | undefined, now: bigint): string | undefined {
  const instant = text === undefined ? undefined : parseInstant(text, now);
  return instant === undefined ? text : rfc3339(instant);
}

/**
 * One of the words allowed; `otherwise` if none is given.
 * @throws UsageError
 */
export function oneOf<T extends string>(
  name: string,
  text: string | undefined,
  allowed: readonly T[],
  otherwise: T,
): T {
  if (text === undefined) return otherwise;
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw new UsageError(`--${name}: '${text}' is not one of ${allowed.join(', ')}`);
  return found;
}

/** Where the query API is unless a flag or FLOWSPAN_SERVER says otherwise. */
export const DEFAULT_SERVER = 'http://127.0.0.1:7470';
