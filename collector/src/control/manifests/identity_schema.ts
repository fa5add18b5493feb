/**
 * What an object of a file must be for identity to be taken from it whole: the fields that kubernetes/objects.ts reads, with
 * its bounds. From the API server these are sound; by hand they may not be, and half of a pod's addresses would be wrong.
 */
import { isIP } from 'node:net';
import { Ajv, type ErrorObject } from 'ajv';
import type { ObjectId, Refusal } from '../objects/source.ts';

type Schema = Readonly<Record<string, unknown>>;

const text = (maxLength: number): Schema => ({ type: 'string', maxLength });
const list = (items: Schema, maxItems: number): Schema => ({ type: 'array', items, maxItems });
const fields = (properties: Readonly<Record<string, Schema>>, ...required: readonly string[]): Schema => ({
  type: 'object',
  properties,
  required,
});
/** Names to text, as labels are. */
const words = (maxProperties: number, maxLength: number): Schema => ({
  type: 'object',
  additionalProperties: text(maxLength),
  maxProperties,
});

const NAME = text(253);
const ADDRESS = { type: 'string', format: 'address' };
const CLUSTER_ADDRESS = { type: 'string', format: 'cluster-address' };
const TIME = { type: 'string', format: 'time' };
const PORT = { type: 'integer', minimum: 1, maximum: 65_535 };
const PROTOCOL = { enum: ['TCP', 'UDP', 'SCTP'] };
const LABELS = words(64, 63);
const OWNER = fields(
  { kind: NAME, name: NAME, uid: text(128), controller: { type: 'boolean' } },
  'kind',
  'name',
  'uid',
);
const METADATA = fields({
  labels: LABELS,
  annotations: { type: 'object', additionalProperties: text(256 * 1024) },
  ownerReferences: list(OWNER, 64),
  deletionTimestamp: TIME,
});
const HOLDS_ADDRESS = fields({ ip: ADDRESS }, 'ip');
const CONTAINER = fields({ name: NAME, image: text(512) }, 'name');
const STATE = fields({ startedAt: TIME, finishedAt: TIME });
const STATUSES = list(
  fields({
    name: NAME,
    containerID: text(253),
    state: fields({ running: STATE, terminated: STATE }),
    lastState: fields({ terminated: STATE }),
  }),
  64,
);

const SCHEMAS: Readonly<Record<string, Schema>> = {
  Pod: fields({
    metadata: METADATA,
    spec: fields({
      ...{ nodeName: NAME, serviceAccountName: NAME, hostNetwork: { type: 'boolean' } },
      containers: list(CONTAINER, 64),
    }),
    status: fields({
      ...{ phase: { enum: ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] }, startTime: TIME },
      ...{ podIP: ADDRESS, hostIP: ADDRESS, podIPs: list(HOLDS_ADDRESS, 4), hostIPs: list(HOLDS_ADDRESS, 4) },
      ...{ containerStatuses: STATUSES, initContainerStatuses: STATUSES, ephemeralContainerStatuses: STATUSES },
    }),
  }),
  Service: fields(
    {
      metadata: METADATA,
      spec: fields({
        ...{ clusterIP: CLUSTER_ADDRESS, clusterIPs: list(CLUSTER_ADDRESS, 4), externalIPs: list(ADDRESS, 64) },
        ports: list(
          fields({ name: NAME, port: PORT, nodePort: { ...PORT, minimum: 0 }, protocol: PROTOCOL }, 'port'),
          256,
        ),
      }),
      status: fields({ loadBalancer: fields({ ingress: list(fields({ ip: ADDRESS }), 64) }) }),
    },
    'spec',
  ),
  EndpointSlice: fields(
    {
      metadata: METADATA,
      addressType: { enum: ['IPv4', 'IPv6', 'FQDN'] },
      endpoints: list(fields({ addresses: list(NAME, 100) }, 'addresses'), 1000),
    },
    'addressType',
    'endpoints',
  ),
  Node: fields({
    metadata: METADATA,
    status: fields({ addresses: list(fields({ type: NAME, address: NAME }, 'type', 'address'), 64) }),
  }),
  Namespace: fields({ metadata: METADATA }),
};

const FORMATS = {
  address: (value: string) => isIP(value) !== 0,
  'cluster-address': (value: string) => value === '' || value === 'None' || isIP(value) !== 0,
  time: (value: string) => !Number.isNaN(Date.parse(value)),
};
const FORMAT_WORDS: Readonly<Record<keyof typeof FORMATS, string>> = {
  address: 'is no IP address',
  'cluster-address': 'is neither an IP address nor None',
  time: 'is no time',
};
const AJV = new Ajv({ strict: false, ownProperties: true, formats: FORMATS });
const CHECKS = new Map(Object.entries(SCHEMAS).map(([kind, schema]) => [kind, AJV.compile(schema)]));

/** Why identity cannot be taken from an object; undefined if it can. */
export function checkIdentity({ kind }: ObjectId, object: unknown): Refusal | undefined {
  const isRight = CHECKS.get(kind);
  if (isRight === undefined || isRight(object) || isRight(withoutNulls(object)))
    return kind === 'EndpointSlice' ? slice(object) : undefined;
  const [error] = isRight.errors ?? [];
  return error === undefined ? undefined : refusal(error);
}

/** Each endpoint of a slice has addresses of its kind. */
function slice(object: unknown): Refusal | undefined {
  const { addressType, endpoints } = object as { addressType: string; endpoints: { addresses: string[] }[] };
  const family = { IPv4: 4, IPv6: 6 }[addressType];
  if (family === undefined) return undefined;
  const wrong = endpoints.flatMap(({ addresses }) => addresses).find((address) => isIP(address) !== family);
  if (wrong === undefined) return undefined;
  return { reason: 'InvalidField', message: `endpoints: ${JSON.stringify(wrong)} is no ${addressType} address` };
}

/** `key:` with nothing behind it is as if it were not there, to Kubernetes too. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const there = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(there.map(([key, inner]) => [key, withoutNulls(inner)]));
}

function refusal({ instancePath, keyword, message = 'is wrong', params }: ErrorObject): Refusal {
  const path = instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/') || 'it';
  const allowed = keyword === 'enum' ? `: ${(params.allowedValues as string[]).join(', ')}` : '';
  const wrong = keyword === 'format' ? FORMAT_WORDS[params.format as keyof typeof FORMATS] : `${message}${allowed}`;
  return { reason: 'InvalidField', message: `${path} ${wrong}` };
}
