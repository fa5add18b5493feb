/**
 * The Resource of a request's span: who the observed end is, by OpenTelemetry's rules for Kubernetes where it is a pod.
 * The collector's spans say the same: collector/src/deliver/spans/resources.ts.
 */
import { CONTAINER_SQL } from './endpoint_properties.ts';
import { addressSql } from './named_views.ts';

const SERVER = "t.observation_point = 'server'";

/** Column of the end that the span is of. */
const own = (column: string) => `if(${SERVER}, destination.endpoint_${column}, source.endpoint_${column})`;

/** Kinds of workloads that have an attribute of their own. */
export const WORKLOAD_ATTRIBUTES: Readonly<Record<string, string>> = {
  Deployment: 'k8s.deployment.name',
  ReplicaSet: 'k8s.replicaset.name',
  StatefulSet: 'k8s.statefulset.name',
  DaemonSet: 'k8s.daemonset.name',
  CronJob: 'k8s.cronjob.name',
  Job: 'k8s.job.name',
};

/** Version that an image's reference names: `<tag>@<digest>`, or what there is of them. */
function imageVersionSql(image: string): string {
  const last = `splitByChar('/', ${image})[-1]`;
  const tag = `extract(${last}, '^[^:@]+:([^@]+)')`;
  const digest = `extract(${last}, '@(.+)$')`;
  return `concat(${tag}, if(${tag} = '' OR ${digest} = '', '', '@'), ${digest})`;
}

/** What the views of spans need of the ends beside their names, as SQL over a row `e` of `endpoints`. */
export const RESOURCE_COLUMNS: Readonly<Record<string, string>> = {
  pod_uid: 'e.pod_uid',
  resource_attributes: 'e.resource_attributes',
  image_version: imageVersionSql(`e.images[${CONTAINER_SQL('e')}]`),
};

/** Name of the service that an end is; empty if it has none. */
export function serviceNameSql(end: 'source' | 'destination'): string {
  const named = `${end}.endpoint_resource_attributes['service.name']`;
  return `multiIf(${named} != '', ${named}, ${end}.endpoint_workload != '', ${end}.endpoint_workload, ${end}.endpoint_name)`;
}

const NAMED = `if(${SERVER}, ${serviceNameSql('destination')}, ${serviceNameSql('source')})`;
const ADDRESS = `if(${SERVER}, ${addressSql('t.destination_address')}, ${addressSql('t.source_address')})`;

/** Name of the service that the span is of; its address if it has none. */
export const SERVICE_SQL = `if(${NAMED} != '', ${NAMED}, ${ADDRESS})`;

const OWN_ID = `if(${SERVER}, t.destination_endpoint_id, t.source_endpoint_id)`;
const IS_POD = `${own('kind')} = 'pod'`;
const ofPod = (value: string) => `if(${IS_POD}, ${value}, '')`;
const INSTANCE = [own('namespace'), own('name'), own('container')].join(', ');

const ATTRIBUTES: Readonly<Record<string, string>> = {
  'service.name': SERVICE_SQL,
  'service.namespace': own('namespace'),
  'service.version': own('image_version'),
  'service.instance.id': `multiIf(${IS_POD}, arrayStringConcat(arrayFilter(part -> part != '', [${INSTANCE}]), '.'), ${OWN_ID} = 0, '', toString(${OWN_ID}))`,
  'k8s.cluster.name': 't.cluster',
  'k8s.namespace.name': own('namespace'),
  'k8s.pod.name': ofPod(own('name')),
  'k8s.pod.uid': own('pod_uid'),
  'k8s.container.name': own('container'),
  ...Object.fromEntries(
    Object.entries(WORKLOAD_ATTRIBUTES).map(([kind, attribute]) => [
      attribute,
      `if(${own('workload_kind')} = '${kind}', ${own('workload')}, '')`,
    ]),
  ),
  'k8s.node.name': ofPod(`if(${own('node')} = '', t.node, ${own('node')})`),
  'host.name': 't.node',
  'container.id': own('container_id'),
  'telemetry.distro.name': "'flowspan'",
};

const MAP = 'Map(LowCardinality(String), String)';

/** Attributes of the Resource; what the pod's annotations say wins. */
export const RESOURCE_SQL = `mapUpdate(CAST(mapFilter((k, v) -> v != '', map(${Object.entries(ATTRIBUTES)
  .map(([name, value]) => `'${name}', toString(${value})`)
  .join(', ')})), '${MAP}'), CAST(${own('resource_attributes')}, '${MAP}'))`;
