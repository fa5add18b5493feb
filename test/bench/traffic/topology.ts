/**
 * Who there is: 200 workloads of 15 pods each, on 100 nodes. Pod `p` belongs to workload `p % 200`; what rows say of it is
 * an expression over its number. Every workload is called by four others, the popular ones most.
 */
import { bits, drawn, pick } from './draws.ts';

export const WORKLOADS = 200;
export const PODS = 3_000;
const NODES = 100;
const PODS_OF_WORKLOAD = PODS / WORKLOADS;
/** Workloads that call a workload. */
const CALLERS = 4;
/** Pods of a service that one pod keeps connections to. */
const SUBSET = 3;

const NOUNS = ['cart', 'order', 'user', 'item', 'session', 'payment', 'shipment', 'invoice', 'search', 'price'];
const ROLES = ['api', 'worker', 'gateway', 'cache', 'store', 'index', 'audit', 'batch', 'proxy', 'admin'];

export const workloadOf = (pod: string): string => `(${pod} % ${WORKLOADS})`;
export const nodeOf = (pod: string): string => drawn('node', pod, NODES);
export const namespaceSql = (workload: string): string => `concat('team-', toString(${workload} % 12))`;
export const workloadSql = (workload: string): string =>
  `concat(${pick(NOUNS, workload)}, '-', ${pick(ROLES, `intDiv(${workload}, ${NOUNS.length})`)}, if(${workload} < 100, '', '-2'))`;
export const endpointId = (pod: string): string => bits('endpoint', pod);
/** 64 hex digits, as container runtimes have it. */
export const containerId = (pod: string): string =>
  `lower(concat(${[1, 2, 3, 4].map((part) => `leftPad(hex(${bits(`container${part}`, pod)}), 16, '0')`).join(', ')}))`;

const v4 = (first: string, number: string) =>
  `toIPv6(concat('::ffff:${first}.', toString(intDiv(${number}, 250)), '.', toString(${number} % 250 + 2)))`;
/** Address of a pod: 10.244.0.0/16, by node. */
export const podAddress = (pod: string): string => v4('10.244', pod);
/** Address of the service in front of a workload. */
export const serviceAddress = (workload: string): string => v4('10.96', workload);
export const PORTS = [80, 8080, 3000, 8000, 9090, 5000];
export const portOf = (workload: string): string =>
  `arrayElement([${PORTS.join(', ')}], toUInt32(${workload} % ${PORTS.length}) + 1)`;

/** Workload that connection `c` goes to: the hundredth part of them gets a tenth of the connections. */
export const serverWorkload = (c: string): string =>
  `toUInt32(floor(${WORKLOADS} * pow((${drawn('to', c, 1_000_000)}) / 1000000, 2)))`;
/** Pod that opens connection `c` to a workload. */
export const clientPod = (c: string, workload: string): string =>
  `toUInt32(${drawn('caller', `${workload}, ${drawn('from', c, CALLERS)}`, WORKLOADS)} + ${WORKLOADS} * ${drawn('client', c, PODS_OF_WORKLOAD)})`;
/** Pod that answers it. */
export const serverPod = (c: string, client: string, workload: string): string =>
  `toUInt32(${workload} + ${WORKLOADS} * ((${drawn('subset', `${client}, ${workload}`, PODS_OF_WORKLOAD)} + ${drawn('backend', c, SUBSET)}) % ${PODS_OF_WORKLOAD}))`;

/** Nodes' clocks are up to a millisecond off, nanoseconds. */
export const clockOffsetNs = (node: string): string => `(toInt64(${drawn('clock', node, 2_000_000)}) - 1000000)`;

/** What rows of an observed end say of where that is, by column. @param pod the observed end's */
export function observedEnd(pod: string): Readonly<Record<string, string>> {
  const node = nodeOf(pod);
  return {
    cluster: "'production'",
    node: `concat('node-', toString(${node}))`,
    boot_id: `toUUID(UUIDNumToString(toFixedString(concat(reinterpretAsString(${bits('boot1', node)}), reinterpretAsString(${bits('boot2', node)})), 16)))`,
    container_id: containerId(pod),
    socket_cgroup_id: `4000 + ${pod} * 7`,
    owner_cgroup_id: `4000 + ${pod} * 7`,
    netns: `toUInt32(4026532000 + ${pod})`,
    pid: `toUInt32(1000 + ${drawn('pid', pod, 400_000)})`,
  };
}

/** Rows of `endpoints`, one per pod, by column, over numbers(). @param since when all of them began, DateTime64 as SQL */
export function endpointModel(since: string): Readonly<Record<string, string>> {
  const pod = 'toUInt32(number)';
  const workload = workloadOf(pod);
  return {
    endpoint_id: endpointId(pod),
    cluster: "'production'",
    node: `concat('node-', toString(${nodeOf(pod)}))`,
    kind: "'pod'",
    namespace: namespaceSql(workload),
    workload: workloadSql(workload),
    workload_kind: "'Deployment'",
    name: `concat(${workloadSql(workload)}, '-', lower(hex(toUInt32(${bits('name', pod)}))))`,
    services: `[${workloadSql(workload)}]`,
    container_id: containerId(pod),
    addresses: `[${podAddress(pod)}]`,
    labels: `map('app', ${workloadSql(workload)})`,
    valid_from: since,
    valid_to: "toDateTime64('2262-01-01 00:00:00', 9, 'UTC')",
    updated: since,
  };
}
