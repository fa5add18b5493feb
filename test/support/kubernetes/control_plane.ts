/** A real control plane on ports of its own, for one test: etcd, kube-apiserver and, on request, the controllers. */
import { join } from 'node:path';
import { type Program, start } from '../../../deploy/lab/program.ts';
import { removeNow } from '../../../deploy/lab/registry.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { freePorts, temporaryFolder } from '../flowspan.ts';
import { connectApi, type KubernetesApi } from './api.ts';
import { apiServerWords, controllerManagerWords, etcdWords, schedulerWords } from './command_lines.ts';
import { program } from './find.ts';
import { type Keys, makeKeys, writeKubeconfig } from './keys.ts';
import { writeKwokConfiguration } from './kwok.ts';

const READY_TIMEOUT_MS = 120_000;

/** What to start beside etcd and kube-apiserver, and how. */
export interface ControlPlaneOptions {
  /** Path of etcd; default: the built one, which can stream lists. DEBIAN_ETCD is too old for that. */
  readonly etcd?: string;
  /** Further arguments of kube-apiserver, such as `--min-request-timeout=3`. */
  readonly apiServer?: readonly string[];
  /** kube-controller-manager: ReplicaSets, EndpointSlices, garbage collection. Default: false. */
  readonly controllers?: boolean;
  /** kube-scheduler. Default: false. */
  readonly scheduler?: boolean;
  /** kwok, which plays simulatedNode()s and the pods on them. Default: false. */
  readonly kwok?: boolean;
}

/** A running control plane. RBAC is on; pods need no ServiceAccount. */
export interface ControlPlane {
  /** `https://127.0.0.1:port`. */
  readonly url: string;
  readonly folder: string;
  readonly keys: Keys;
  /** kubeconfig file of the administrator (group system:masters). */
  readonly kubeconfig: string;
  /** The administrator's client. */
  readonly admin: KubernetesApi;
  /** Makes a namespace, unless it is there, and a ServiceAccount, and returns a token of it. */
  serviceAccountToken(namespace: string, name: string): Promise<string>;
  /** Writes a kubeconfig file for a token and returns its path. */
  tokenKubeconfig(token: string): string;
  /** A client with a token's rights. */
  withToken(token: string): KubernetesApi;
  /** Ends kube-apiserver; clients' connections break. */
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  /** Starts kube-apiserver again, on the same port over the same etcd, and resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** Process id of `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler` or `kwok`. */
  pid(name: string): number;
  /** What they have printed. */
  output(): string;
  stop(): Promise<void>;
}

/** Starts a control plane and resolves when the API server is ready. Everything is removed at the process's end. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const folder = temporaryFolder();
  const [clientPort, peerPort, port] = (await freePorts(3)) as [number, number, number];
  const url = `https://127.0.0.1:${port}`;
  const keys = makeKeys(join(folder, 'keys'));
  keys.sign('apiserver', '/CN=kube-apiserver', [
    'subjectAltName=IP:127.0.0.1,DNS:localhost',
    'extendedKeyUsage=serverAuth',
  ]);
  const kubeconfig = keys.kubeconfig('admin', url);
  const admin = connectApi(url, keys, { certificate: 'admin' });
  const programs = new Map<string, Program>();
  const run = (name: string, path: string, words: readonly string[]): void => {
    programs.set(name, start({}, [path, ...words]));
  };
  const running = (name: string): Program => {
    const found = programs.get(name);
    if (found === undefined) throw new Error(`${name} was not started`);
    return found;
  };
  const output = (): string => [...programs].map(([name, { output: said }]) => `--- ${name}\n${said()}`).join('\n');
  const stop = async (): Promise<void> => {
    admin.close();
    // Throw-away state: nothing is lost by a hard end, and a soft one waits for open watches.
    for (const each of [...programs.values()].toReversed()) await each.stop('SIGKILL');
    removeNow('folder', folder);
  };
  const startApiServer = async (): Promise<void> => {
    run('kube-apiserver', program('kube-apiserver'), [
      ...apiServerWords(keys, { etcd: clientPort, address: '127.0.0.1', port }),
      // A loopback address cannot be an endpoint of the service `kubernetes`; pods need no ServiceAccount first; a new
      // node is not tainted, as nobody is here who would take that back when it is ready.
      ...['--endpoint-reconciler-type=none', '--authorization-mode=RBAC'],
      '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
      ...(options.apiServer ?? []),
    ]);
    const { process: child } = running('kube-apiserver');
    await eventually(
      'kube-apiserver to be ready',
      async () => {
        if (child.exitCode !== null) throw new Error('kube-apiserver ended');
        return (await admin.ask('GET', '/readyz').catch(() => undefined))?.status === 200;
      },
      READY_TIMEOUT_MS,
    );
  };
  try {
    run('etcd', options.etcd ?? program('etcd'), etcdWords(join(folder, 'etcd'), clientPort, peerPort));
    await startApiServer();
    if (options.controllers === true) {
      run('kube-controller-manager', program('kube-controller-manager'), [
        ...controllerManagerWords(keys, kubeconfig),
        // Nodes have no heartbeats here, and keep their pods all the same.
        '--controllers=*,-node-lifecycle-controller,-node-ipam-controller,-persistentvolume-binder-controller,-persistentvolume-attach-detach-controller',
      ]);
    }
    if (options.scheduler === true) run('kube-scheduler', program('kube-scheduler'), schedulerWords(kubeconfig));
    if (options.kwok === true) {
      run('kwok', program('kwok'), [`--kubeconfig=${kubeconfig}`, '-c', writeKwokConfiguration(folder)]);
    }
  } catch (error) {
    const said = output();
    await stop();
    throw new Error(`${(error as Error).message}\n${said.slice(-5_000)}`);
  }
  let tokens = 0;
  return {
    url,
    folder,
    keys,
    kubeconfig,
    admin,
    serviceAccountToken: (namespace, name) => serviceAccountToken(admin, namespace, name),
    tokenKubeconfig: (token) => {
      tokens += 1;
      const path = keys.file(`token${tokens}.kubeconfig`);
      writeKubeconfig(path, url, keys.file('authority.crt'), { token });
      return path;
    },
    withToken: (token) => connectApi(url, keys, { token }),
    stopApiServer: (signal = 'SIGKILL') => running('kube-apiserver').stop(signal),
    startApiServer,
    pid: (name) => running(name).pid,
    output,
    stop,
  };
}

/** Makes a namespace and a ServiceAccount, unless they are there, and returns a token that is valid for an hour. */
export async function serviceAccountToken(admin: KubernetesApi, namespace: string, name: string): Promise<string> {
  for (const object of [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
  ]) {
    await admin.create(object).catch((error: Error) => {
      if (!error.message.includes('AlreadyExists')) throw error;
    });
  }
  const { status } = (
    await admin.ask('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3600 },
    })
  ).body as { status: { token: string } };
  return status.token;
}
