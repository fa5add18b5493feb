/** A client of the Kubernetes API for tests: what they make and change, and what they are refused. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { Keys } from './keys.ts';

/** An object of the API, as far as tests look at it. */
export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly [field: string]: unknown;
  };
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of many kinds of objects
  readonly [field: string]: any;
}

/** An answer of the API, whatever its status. */
export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON; the text if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any;
}

/** A client with one user's rights. */
export interface KubernetesApi {
  /** Sends a request and resolves with the answer of any status; of a watch with what came within `timeoutMs`. */
  ask(method: string, path: string, body?: object, contentType?: string, timeoutMs?: number): Promise<ApiAnswer>;
  /** GET of a path. Throws if it is not answered with 2xx, as all below. */
  get(path: string): Promise<KubernetesObject>;
  /** Creates an object; its path is made from apiVersion, kind and metadata.namespace. */
  create(object: object): Promise<KubernetesObject>;
  /** Merges fields into an object: `patch('/api/v1/namespaces/a/pods/b/status', {status: {…}})`. */
  patch(path: string, fields: object): Promise<KubernetesObject>;
  /** Deletes at once, without a period of grace. */
  delete(path: string): Promise<void>;
  close(): void;
}

/** How a client authenticates. */
export type User = { readonly certificate: string } | { readonly token: string };

const TIMEOUT_MS = 30_000;
/** Plurals that are not the kind in lower case with an s. */
const PLURALS: Readonly<Record<string, string>> = { NetworkPolicy: 'networkpolicies', Ingress: 'ingresses' };
const CLUSTER_WIDE = new Set([
  ...['Namespace', 'Node', 'ClusterRole', 'ClusterRoleBinding', 'PersistentVolume'],
  ...['FlowSchema', 'PriorityLevelConfiguration', 'ValidatingWebhookConfiguration'],
]);

/** The path of the collection that an object of this kind belongs to. */
function collectionPath(apiVersion: string, kind: string, namespace = 'default'): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`;
  return CLUSTER_WIDE.has(kind) ? `${group}/${plural}` : `${group}/namespaces/${namespace}/${plural}`;
}

/** Makes a client of the API server at `server`, which the keys' authority has signed. */
export function connectApi(server: string, keys: Keys, user: User): KubernetesApi {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 64,
    ca: keys.authority,
    ...('certificate' in user
      ? {
          cert: readFileSync(keys.file(`${user.certificate}.crt`)),
          key: readFileSync(keys.file(`${user.certificate}.key`)),
        }
      : {}),
  });
  const headers = 'token' in user ? { authorization: `Bearer ${user.token}` } : {};
  const ask: KubernetesApi['ask'] = (
    method,
    path,
    body,
    contentType = 'application/json',
    timeoutMs = TIMEOUT_MS,
  ): Promise<ApiAnswer> =>
    new Promise((resolve, reject) => {
      const url = new URL(path, server);
      const text = body === undefined ? '' : JSON.stringify(body);
      // Without its length Node sends the body of a DELETE bare, and the server takes it for the next request.
      const length = { 'content-type': contentType, 'content-length': Buffer.byteLength(text) };
      const sent = request(url, { agent, method, headers: { ...headers, ...length } }, (response) => {
        const chunks: Buffer[] = [];
        const end = (): void => {
          clearTimeout(timer);
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, body: parsed(text) });
        };
        clearTimeout(timer);
        timer = setTimeout(() => {
          response.removeAllListeners('error').on('error', () => {});
          end();
          sent.destroy();
        }, timeoutMs);
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', end);
        response.on('error', reject);
      });
      let timer = setTimeout(() => sent.destroy(new Error(`${method} ${path}: no answer`)), TIMEOUT_MS);
      sent.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      sent.end(text);
    });
  const wanted = async (method: string, path: string, body?: object, type?: string): Promise<KubernetesObject> => {
    const answer = await ask(method, path, body, type);
    if (answer.status >= 200 && answer.status < 300) return answer.body as KubernetesObject;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  return {
    ask,
    get: (path) => wanted('GET', path),
    create: (object) => {
      const { apiVersion, kind, metadata } = object as {
        apiVersion: string;
        kind: string;
        metadata: { namespace?: string };
      };
      return wanted('POST', collectionPath(apiVersion, kind, metadata.namespace), object);
    },
    patch: (path, fields) => wanted('PATCH', path, fields, 'application/merge-patch+json'),
    delete: async (path) => {
      await wanted('DELETE', path, { gracePeriodSeconds: 0 });
    },
    close: () => agent.destroy(),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
