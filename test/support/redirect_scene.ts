/** Pods of one node, known from files, and a collector that may redirect what they say to each other. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, temporaryFolder } from './flowspan.ts';

export const NODE = 'node-1';

type Mode = 'observe' | 'audit' | 'enforce';
type Words = Readonly<Record<string, string>>;

/** What a pod's or a namespace's author writes about it. */
export interface Wish {
  readonly labels?: Words;
  readonly annotations?: Words;
  readonly hostNetwork?: boolean;
}

/** A pod: where its programs run. */
export interface ScenePod {
  readonly name: string;
  readonly namespace: Namespace;
  /** Its own. */
  readonly pod: Cgroup;
  /** Of its first container. */
  readonly cgroup: Cgroup;
}

/** As the collector's GET /status has it. */
interface Status {
  readonly dataplane: {
    readonly programs: readonly { readonly name: string; readonly attached: boolean }[];
    readonly conditions: readonly {
      readonly kind: string;
      readonly name: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** One machine's files, cgroups, pins and store; collectors come and go. */
export class RedirectScene {
  readonly root: Cgroup = createCgroup();
  readonly pinDir: string = pinDirectory();
  readonly #directory = join(temporaryFolder(), 'manifests');
  readonly #kubepods: Cgroup;
  readonly #namespaces: Namespace[] = [];
  readonly #store: Flowspan;
  #collector: Flowspan | undefined;

  private constructor(store: Flowspan) {
    this.#store = store;
    mkdirSync(this.#directory);
    this.#kubepods = createCgroup(createCgroup(this.root.path, 'kubepods').path, 'besteffort');
  }

  static async open(): Promise<RedirectScene> {
    return new RedirectScene(await startFlowspan({ processes: ['store'] }));
  }

  get collector(): Flowspan {
    if (this.#collector === undefined) throw new Error('no collector runs');
    return this.#collector;
  }

  /** A pod with a network and a cgroup of its own; `tell` says who it is. */
  createPod(name: string): ScenePod {
    const namespace = createNamespace();
    this.#namespaces.push(namespace);
    const pod = createCgroup(this.#kubepods.path, `pod${uidOf(name)}`);
    return { name, namespace, pod, cgroup: createCgroup(pod.path, 'main') };
  }

  /** Writes a pod's file. */
  tell(name: string, namespace: string, addresses: readonly string[], { hostNetwork, ...words }: Wish = {}): void {
    this.#write(`${name}.json`, {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, uid: uidOf(name), ...words } },
      spec: { nodeName: NODE, ...(hostNetwork === undefined ? {} : { hostNetwork }) },
      status: { phase: 'Running', podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })) },
    });
  }

  /** Writes a namespace's file. */
  tellNamespace(name: string, words: Wish = {}): void {
    this.#write(`namespace-${name}.json`, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...words } });
  }

  /** Writes the files of a service with one backend; both listen on port 80. */
  tellService(name: string, namespace: string, clusterIP: string, backend: string): void {
    const ports = [{ name: 'http', port: 80 }];
    this.#write(`service-${name}.json`, {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { clusterIP, ports } },
    });
    this.#write(`slice-${name}.json`, {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', ports },
      metadata: { name: `${name}-1`, namespace, labels: { 'kubernetes.io/service-name': name } },
      endpoints: [{ addresses: [backend], nodeName: NODE }],
    });
  }

  /** Ends the collector that runs, and starts another that goes so far. */
  async goAsFar(mode: Mode, env: Words = {}): Promise<Flowspan> {
    await this.#collector?.stop();
    this.#collector = await startFlowspan({
      processes: ['collector'],
      cgroup: this.root,
      env: {
        FLOWSPAN_DATA_DIR: this.#store.dataDir,
        FLOWSPAN_CLICKHOUSE_URL: this.#store.storeUrl,
        FLOWSPAN_MANIFESTS: this.#directory,
        FLOWSPAN_NODE: NODE,
        FLOWSPAN_COLLECTOR_PIN_DIR: this.pinDir,
        FLOWSPAN_DATAPLANE_REDIRECT: mode,
        ...env,
      },
    });
    return this.#collector;
  }

  async status(): Promise<Status['dataplane']> {
    return ((await (await fetch(`${this.collector.collectorUrl}/status`)).json()) as Status).dataplane;
  }

  /** Names, reasons and words of what is not in order with pods and the redirect. */
  async complaints(): Promise<string[]> {
    const { conditions } = await this.status();
    return conditions
      .filter(({ reason }) => !['Accepted', 'Attached'].includes(reason))
      .map(({ kind, name, reason }) => `${kind} ${name} ${reason}`);
  }

  /** A number of /metrics; labels in their order, as `way="sockmap",outcome="audited"`. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.collector.collectorUrl}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(labels === '' ? `${name} ` : `${name}{${labels}} `));
    if (line === undefined) throw new Error(`no ${name}{${labels}}`);
    return Number(line.slice(line.lastIndexOf(' ')));
  }

  /** Connections of a way by what became of them. */
  connections(way: string, outcome: string): Promise<number> {
    return this.metric('flowspan_redirect_connections_total', `way="${way}",outcome="${outcome}"`);
  }

  /** Resolves when a map has so many entries. */
  async hasEntries(map: string, count: number): Promise<void> {
    await eventually(`${count} entries in ${map}`, async () => {
      return (await this.metric('flowspan_redirect_entries', `map="${map}"`)) === count;
    });
  }

  async close(): Promise<void> {
    await this.#collector?.stop();
    await this.#store.stop();
    for (const namespace of this.#namespaces) namespace.remove();
    this.root.remove();
  }

  #write(name: string, object: object): void {
    writeFileSync(join(this.#directory, name), JSON.stringify(object));
  }
}

/** The same for the same name. */
function uidOf(name: string): string {
  return `1f2e3d4c-aaaa-4bbb-8ccc-${Buffer.from(name).toString('hex').padStart(12, '0').slice(-12)}`;
}
