/**
 * The configuration of every Flowspan process: one schema, which is the validation, the documentation and the default
 * values. Sources, later ones winning: the YAML file of --config or FLOWSPAN_CONFIG, the environment
 * (`clickhouse.url` is FLOWSPAN_CLICKHOUSE_URL), flags (`--clickhouse-url`).
 */

import { hostname } from 'node:os';
import { DATAPLANE } from './config_dataplane.ts';
import {
  flag,
  GiB,
  group,
  insecure,
  list,
  listen,
  MiB,
  parseListen,
  text,
  token,
  url,
  whole,
} from './config_fields.ts';
import { GOVERNOR } from './config_governor.ts';
import { KUBERNETES } from './config_kubernetes.ts';
import { array, type Held, integer, map, object, oneOf, string } from './config_schema.ts';
import { ConfigError, changedKeys, readSources } from './config_sources.ts';
import { METRICS, OTLP, SPANS } from './config_telemetry.ts';

export { parseListen } from './config_fields.ts';
export { ConfigError } from './config_sources.ts';

const CIDR = string({ format: 'cidr', allowed: 'address/prefix length, such as 10.0.0.0/8' });

const OUTSIDE_RANGE = object({
  name: string({ minLength: 1, description: 'Name of the endpoint that these addresses are shown as.' }),
  cidrs: array(CIDR, {
    minItems: 1,
    description: 'Address ranges; the longest prefix over all entries wins.',
  }),
});

const COLLECTOR = group(
  {
    listen: listen('127.0.0.1:7471', 'Where health, status and the live feed answer.'),
    token: token(),
    insecure_without_token: insecure('token'),
    flow_interval_s: whole(10, 1, 3600, {
      unit: 's',
      reloadable: true,
      description: 'How often an open connection gets a row.',
    }),
    cgroup_root: text('', { description: 'cgroup v2 directory to watch and attach to; empty: the root of its mount.' }),
    cgroup_root_only: flag(false, {
      description:
        'Leave out the TCP connections of sockets outside cgroup_root, which tracing sees too: for a node within a machine, whose other nodes are watched by their own collectors. Needs Linux 6.1.',
    }),
    pin_dir: text('/sys/fs/bpf/flowspan', {
      description:
        'Directory in a BPF filesystem where the counters of open connections and the data plane outlive a restart of the collector; empty: they do not, and there is no data plane. `flowspan detach` and `flowspan cleanup` remove what is there. One collector has the data plane of a directory at a time.',
    }),
    read_requests: flag(true, {
      description:
        'Read requests and their answers. Off: flows, TCP events and their metrics only; `application_protocol` then says tls or other, which counts as opaque.',
    }),
    bpf_object: text('', { description: 'BPF object to load; empty: the one that was built with this collector.' }),
    dataplane_object: text('', {
      description: 'BPF object of the data plane; empty: the one that was built with this collector.',
    }),
    drain_interval_ms: whole(25, 5, 1000, {
      unit: 'ms',
      description: 'Longest wait between two looks at the rings while records come.',
    }),
    drain_buffer_bytes: whole(MiB, 64 * 1024, 16 * MiB, {
      unit: 'bytes',
      description: 'Most that is read at one look.',
    }),
    records_ring_bytes: whole(4 * MiB, 64 * 1024, GiB, {
      unit: 'bytes',
      description: 'Kernel ring of flows and events; a power of two.',
    }),
    requests_ring_bytes: whole(16 * MiB, 64 * 1024, GiB, {
      unit: 'bytes',
      description: 'Kernel ring of requests; a power of two.',
    }),
    row_memory_bytes: whole(96 * MiB, 8 * MiB, 16 * GiB, {
      unit: 'bytes',
      description: 'Most rows that wait in memory while the disk is busy; beyond, records wait in the kernel rings.',
    }),
    routes_max: whole(200, 1, 10_000, { unit: 'count', description: 'Most route templates per destination.' }),
    outside: array(OUTSIDE_RANGE, {
      default: [],
      reloadable: true,
      description: 'Ranges of outside addresses that are shown as an endpoint.',
    }),
    redaction: group(
      {
        allow_query_names: list({
          reloadable: true,
          description: 'Query parameters whose values are kept; `*` keeps all.',
        }),
        allow_path_segments: list({
          reloadable: true,
          description: 'Path segments that are kept though they look secret.',
        }),
      },
      'What of a URL is kept. Credentials never are.',
    ),
    batch: group(
      {
        max_rows: whole(50_000, 1, 10_000_000, { unit: 'rows', description: 'Rows that end a batch.' }),
        max_bytes: whole(8 * MiB, 64 * 1024, GiB, { unit: 'bytes', description: 'Bytes that end a batch.' }),
        max_age_ms: whole(1000, 50, 60_000, { unit: 'ms', description: 'Age that ends a batch.' }),
      },
      'When a batch of rows is sent.',
    ),
    spool_bytes: whole(GiB, MiB, 1024 * GiB, {
      unit: 'bytes',
      description:
        'Most that waits on disk for ClickHouse; beyond it the oldest rows are dropped and counted: of tcp_events first, then of requests and verdicts, of flows last.',
    }),
    spool_max_age_s: whole(3 * 86_400, 60, 365 * 86_400, {
      unit: 's',
      description: 'Longest that rows wait on disk for ClickHouse; older ones are dropped and counted.',
    }),
    spool_sync_ms: whole(1000, 10, 60_000, {
      unit: 'ms',
      description: 'How often what was written to the spool is synced: what a power cut may take of unsent rows.',
    }),
    live: group(
      {
        max_clients: whole(32, 0, 10_000, { unit: 'count', description: 'Most live feed clients at once.' }),
        client_buffer_bytes: whole(MiB, 16 * 1024, GiB, {
          unit: 'bytes',
          description: 'Most that waits for one slow client; beyond it rows are left out and counted.',
        }),
      },
      'The live feed.',
    ),
    governor: GOVERNOR,
    metrics: METRICS,
    spans: SPANS,
  },
  'The collector.',
);

const STORE = group(
  {
    listen: listen('127.0.0.1:8123', "Where the embedded store answers ClickHouse's HTTP interface."),
    insecure_without_password: insecure('reader password'),
    byte_budget: whole(10 * GiB, 64 * MiB, 1024 ** 5, {
      unit: 'bytes',
      description: 'Most the tables may take on disk; the oldest partitions go first.',
    }),
    retention_days: map(integer({ minimum: 0, maximum: 36_500 }), {
      default: {},
      unit: 'days',
      description: 'Days to keep rows, by table, where other than the default; 0 keeps them.',
    }),
    writer_user: text('collector', { description: 'Account that may write.' }),
    writer_password: text('', {
      secret: true,
      description: 'Its password; empty: the one kept in <data_dir>/writer_password, made at the first start.',
    }),
    reader_user: text('default', { description: 'Account that may read, under limits.' }),
    reader_password: text('', { secret: true, description: 'Its password; empty: none is asked for.' }),
    max_result_rows: whole(1_000_000, 1, 1e12, { unit: 'rows', description: 'Most rows one reader query answers.' }),
    max_rows_to_read: whole(1e9, 1, 1e15, { unit: 'rows', description: 'Most rows one reader query looks at.' }),
    max_memory_bytes: whole(GiB, 16 * MiB, 1024 ** 5, { unit: 'bytes', description: 'Most memory one query takes.' }),
    max_execution_s: whole(4, 1, 86_400, { unit: 's', description: 'Longest one reader query runs.' }),
    max_concurrent_queries: whole(16, 1, 1000, { unit: 'count', description: 'Most queries at once; others wait.' }),
  },
  'The embedded store.',
);

const QUERY_API = group(
  {
    listen: listen('127.0.0.1:7470', 'Where the query API answers.'),
    token: token(),
    insecure_without_token: insecure('token'),
    allowed_origins: list({ description: 'Origins whose pages may open the live feed, beside the own.' }),
    trusted_proxies: array(CIDR, {
      default: [],
      description:
        'Proxies in front: who asks is then told by X-Forwarded-For, and each one gets a share of their own.',
    }),
    collectors: array(url('', ''), {
      default: ['http://127.0.0.1:7471'],
      description: 'Collectors whose live feed is passed on.',
    }),
    collector_token: text('', { secret: true, description: 'Bearer token shown to the collectors.' }),
    max_range_s: whole(31 * 86_400, 60, 3_650 * 86_400, {
      unit: 's',
      description: 'Longest time one question covers.',
    }),
    default_limit: whole(100, 1, 1_000_000, { unit: 'rows', description: 'Rows of a page when none is asked for.' }),
    max_limit: whole(10_000, 1, 1_000_000, { unit: 'rows', description: 'Most rows of a page.' }),
    max_execution_s: whole(4, 1, 3600, { unit: 's', description: 'Longest one question runs.' }),
    max_rows_to_read: whole(500_000_000, 1, 1e15, { unit: 'rows', description: 'Most rows one question looks at.' }),
    max_memory_bytes: whole(GiB, 16 * MiB, 1024 ** 5, {
      unit: 'bytes',
      description: 'Most memory one question takes.',
    }),
    max_live_clients: whole(64, 0, 10_000, { unit: 'count', description: 'Most live feed clients at once.' }),
  },
  'The query API.',
);

/** When a batch ends, as the delivery takes it. */
export const batchLimits = (batch: Config['collector']['batch']) => ({
  maxRows: batch.max_rows,
  maxBytes: batch.max_bytes,
  maxAgeMs: batch.max_age_ms,
});

/** JSON Schema of the whole configuration. */
export const CONFIG_SCHEMA = group(
  {
    node: text('', { description: 'Name of this node; empty: the host name.' }),
    cluster: text('default', { description: 'Name of the cluster or site.' }),
    data_dir: text('/var/lib/flowspan', { description: 'Where the store and unsent batches are kept.' }),
    log_level: oneOf(['trace', 'debug', 'info', 'warn', 'error'], {
      default: 'info',
      reloadable: true,
      description: 'Least level that is logged.',
    }),
    clickhouse: group(
      {
        url: url('http://127.0.0.1:8123', 'ClickHouse HTTP interface: the embedded store, a server or a cluster.'),
        user: text('', {
          description: "Account; empty: the embedded store's, writer for the collector, reader for the query API.",
        }),
        password: text('', { secret: true, description: 'Password of clickhouse.user.' }),
        database: string({
          default: 'flowspan',
          pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
          description: 'Database of the tables.',
        }),
        cluster: text('', {
          description:
            'Name of the ClickHouse cluster whose shards keep the tables, replicated; empty: one server. Never tested against a cluster.',
        }),
      },
      'Where rows are written to and read from.',
    ),
    otlp: OTLP,
    kubernetes: KUBERNETES,
    manifests: text('', {
      description:
        'Directory of Kubernetes objects in YAML or JSON, on a machine without an API server: pods, services, EndpointSlices, nodes, namespaces and policies; followed as it changes. Empty: none.',
    }),
    dataplane: DATAPLANE,
    collector: COLLECTOR,
    store: STORE,
    query_api: QUERY_API,
  },
  'Flowspan.',
);

/** The validated configuration, defaults filled in. */
export type Config = Held<typeof CONFIG_SCHEMA>;

/** Whether only this machine reaches the address of a `listen` value. */
export function isLoopback(value: string): boolean {
  const host = parseListen(value)?.host ?? '';
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

/**
 * Reads the configuration.
 * @param argv flags after the command's name: `--collector-flow-interval-s 5`, `--log-level=debug`
 * @param env environment; variables that name no key are left alone
 * @throws ConfigError with FLOW_CONFIG_FILE, FLOW_CONFIG_SYNTAX, FLOW_CONFIG_FLAG, FLOW_CONFIG_UNKNOWN_KEY,
 * FLOW_CONFIG_VALUE, FLOW_CONFIG_EXPOSED or FLOW_CONFIG_CONFLICT
 */
export function loadConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Config {
  const config = readSources(CONFIG_SCHEMA, argv, env);
  if (config.node === '') config.node = hostname();
  const doors = [
    ['collector.listen', config.collector.listen, config.collector.token, config.collector.insecure_without_token],
    ['store.listen', config.store.listen, config.store.reader_password, config.store.insecure_without_password],
    ['query_api.listen', config.query_api.listen, config.query_api.token, config.query_api.insecure_without_token],
  ] as const;
  for (const [key, value, secret, allowed] of doors) {
    if (secret !== '' || allowed || isLoopback(value)) continue;
    throw new ConfigError('FLOW_CONFIG_EXPOSED', key, value, 'a loopback address, or a token or password beside it');
  }
  for (const key of ['records_ring_bytes', 'requests_ring_bytes'] as const) {
    const value = config.collector[key];
    if (Number.isInteger(Math.log2(value))) continue;
    throw new ConfigError('FLOW_CONFIG_VALUE', `collector.${key}`, value, 'a power of two');
  }
  const { manifests, kubernetes } = config;
  if (manifests !== '' && (kubernetes.enabled === 'on' || kubernetes.kubeconfig !== '')) {
    const allowed = 'either manifests or an API server (kubernetes.enabled, kubernetes.kubeconfig)';
    throw new ConfigError('FLOW_CONFIG_CONFLICT', 'manifests', manifests, allowed);
  }
  return config;
}

/** Keys that differ, told apart by whether a running collector can take them. */
export function configChanges(before: Config, after: Config): { reloadable: string[]; restart: string[] } {
  return changedKeys(CONFIG_SCHEMA, before, after);
}
