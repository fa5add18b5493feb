/**
 * What the question's own objects tell of the cluster beside what the store has: labels of namespaces and nodes, names of
 * pods' ports, and who has the node's network. What they do not tell is not known, and no verdict may rest on it.
 */
import type { Node, Pod } from '../../../collector/src/control/policy/endpoints.ts';
import { ENTITY, keys, NAMESPACE, SERVICE_ACCOUNT } from '../../../collector/src/control/policy/labels.ts';
import { readCluster } from '../../../collector/src/control/policy/read_cluster.ts';
import type { Labels } from '../../../collector/src/control/policy/selector.ts';

/** The API server gives every namespace this label. */
const NAMESPACE_NAME = keys.namespace('kubernetes.io/metadata.name');
const NONE: Labels = new Map();

function field(object: unknown, ...path: readonly string[]): unknown {
  let here = object;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}

const isOf = (kind: string) => (object: unknown) => field(object, 'kind') === kind;
const nameOf = (object: unknown): string => String(field(object, 'metadata', 'name') ?? '');

/** Whether a label, by its key, may be there or not as far as is known. */
export type IsUnknown = (key: string) => boolean;

export class Knowledge {
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #nodes: ReadonlyMap<string, Node>;
  /** By UID. */
  readonly #pods: ReadonlyMap<string, Pod>;

  /** @param objects as the API server or YAML files give them */
  constructor(objects: readonly unknown[]) {
    const { nodes, pods } = readCluster(objects, '');
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    this.#pods = new Map(pods.map((pod) => [pod.uid, pod]));
    this.#namespaces = new Map(
      objects.filter(isOf('Namespace')).map((object) => {
        const labels = field(object, 'metadata', 'labels');
        const entries = typeof labels === 'object' && labels !== null ? Object.entries(labels) : [];
        return [nameOf(object), new Map(entries.filter(([, value]) => typeof value === 'string'))];
      }),
    );
  }

  namespaceLabels(namespace: string): Labels {
    return this.#namespaces.get(namespace) ?? NONE;
  }

  node(name: string): Node {
    return this.#nodes.get(name) ?? { name, labels: NONE, addresses: [] };
  }

  pod(uid: string): Pod | undefined {
    return this.#pods.get(uid);
  }

  /** Which labels of a pod's set are not known. */
  unknownOfPod({ uid, namespace, serviceAccount }: Pick<Pod, 'uid' | 'namespace' | 'serviceAccount'>): IsUnknown {
    const knowsNamespace = this.#namespaces.has(namespace);
    const knowsPod = this.#pods.has(uid);
    // It was seen before anybody told who it is.
    if (namespace === '') return (key) => key !== ENTITY;
    return (key) => {
      if (key === NAMESPACE || key === NAMESPACE_NAME) return false;
      if (key === SERVICE_ACCOUNT) return serviceAccount === '';
      if (key.startsWith(keys.namespace(''))) return !knowsNamespace;
      return key.startsWith(keys.port('')) && !knowsPod;
    };
  }

  unknownOfNode(name: string): IsUnknown {
    const isKnown = this.#nodes.has(name);
    return (key) => key.startsWith(keys.node('')) && !isKnown;
  }
}
