/**
 * A real Kubernetes node: a network, mount and cgroup namespace with a containerd, a kubelet and a kube-proxy of its own.
 * The PID namespace is this machine's. Its mounts, sysctls and firewall rules go with its namespaces.
 */
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { type Program, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { nodeFixture, program } from './find.ts';
import type { Keys } from './keys.ts';
import { createBelow, type LegacyCgroup } from './legacy_cgroups.ts';
import { containerdToml, kubeletConfiguration, networkPlugins, proxyConfiguration } from './node_files.ts';

const CONTAINERD = nodeFixture('debian/usr/bin');
const OCI_RUNTIME = fileURLToPath(new URL('./runc.sh', import.meta.url));
const IMAGE = nodeFixture('images/toolbox.tar');
/** What kubelet wants in sysctls of the whole machine: it reads these files in their place, and leaves those alone. */
const SYSCTLS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** Where a node is in its cluster. */
export interface NodeOptions {
  readonly name: string;
  /** IPv4 address on the network between the nodes. */
  readonly address: string;
  /** Network of its pods, such as `10.244.1.0/24`. */
  readonly podNetwork: string;
  readonly folder: string;
  /** How the cgroups of pods are named: by kubelet itself, or as systemd would. */
  readonly cgroupNames: 'cgroupfs' | 'systemd';
  /** cgroup in which the node's is made, of the node's name. */
  readonly parent: Cgroup;
  /** The same of each v1 hierarchy, for the hybrid layout; empty: the node has cgroup v2 alone. */
  readonly legacyParents: readonly LegacyCgroup[];
}

/** A node; containerd runs when it is returned, kubelet and kube-proxy after join(). */
export interface Node {
  readonly name: string;
  readonly address: string;
  readonly podNetwork: string;
  readonly namespace: Namespace;
  /** The node's cgroup, which holds everything of it: pods below `kubepods` or `kubepods.slice`, its daemons in `system`. */
  readonly cgroup: Cgroup;
  /** A cgroup for processes on the node outside of Kubernetes. */
  readonly host: Cgroup;
  /** Starts a daemon in all of the node's namespaces, in its cgroup `system`. */
  daemon(name: string, command: readonly string[], env?: NodeJS.ProcessEnv): Program;
  /** Starts kubelet and kube-proxy as a node of the cluster at this address. */
  join(server: string, keys: Keys): void;
  /** Runs a program inside a running container (its id without `containerd://`), in its cgroup, to its end. */
  exec(containerId: string, command: readonly string[]): Promise<string>;
  /** What its daemons have printed. */
  output(): string;
}

/** Makes the namespaces of a node and starts containerd, with the pods' image loaded. */
export async function createNode(options: NodeOptions): Promise<Node> {
  const { name, folder } = options;
  const namespace = createNamespace();
  const cgroup = createCgroup(options.parent.path, name);
  const [system, host] = [createCgroup(cgroup.path, 'system'), createCgroup(cgroup.path, 'host')];
  const legacy = createBelow(options.legacyParents, name);
  const legacySystem = createBelow(legacy, 'system');
  // It joins the cgroups first, so that they are the roots of the new cgroup namespace, as on a nested node.
  const unshare = ['unshare', '--mount', '--cgroup', '--propagation', 'private', 'sleep', 'infinity'];
  const holder = start({ namespace, cgroup }, [...joining(legacy), ...unshare]);
  const own = readlinkSync('/proc/self/ns/cgroup');
  await eventually(`the namespaces of ${name}`, () => readlinkSync(`/proc/${holder.pid}/ns/cgroup`) !== own);
  for (const { path } of [system, ...legacySystem]) writeFileSync(join(path, 'cgroup.procs'), String(holder.pid));
  const nsenter = ['nsenter', '-t', String(holder.pid), '--mount', '--net', '--cgroup', '--'];
  const inside = [...joining(legacySystem), ...nsenter];
  const daemons: Program[] = [];
  const daemon: Node['daemon'] = (title, command, env = {}) => {
    const started = start({ cgroup: system }, [...inside, ...command], env);
    daemons.push(started);
    started.process.once('exit', (code) => code !== null && process.stderr.write(`${title} ended with ${code}\n`));
    return started;
  };
  const ctr = (words: readonly string[]): Promise<string> =>
    run({ cgroup: system }, [...inside, join(CONTAINERD, 'ctr'), '-n', 'k8s.io', ...words]);

  mkdirSync(join(folder, 'cni'), { recursive: true });
  writeFileSync(join(folder, 'cni/10-bridge.conflist'), networkPlugins(options.podNetwork));
  writeFileSync(join(folder, 'containerd.toml'), containerdToml(folder, nodeFixture('cni'), OCI_RUNTIME));
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  await run({ cgroup: system }, [...inside, '/bin/sh', '-ec', mounts(folder, legacy)]);
  daemon(
    `containerd of ${name}`,
    [join(CONTAINERD, 'containerd'), '-c', join(folder, 'containerd.toml'), '-l', 'warn'],
    {
      PATH: `${CONTAINERD}:${process.env.PATH}`,
      RUNC: nodeFixture('debian/usr/sbin/runc'),
      CGROUP_NAMES: options.cgroupNames,
      CGROUP_LIMITS: legacy.length === 0 ? 'none' : 'all',
    },
  );
  await eventually(
    `containerd of ${name}`,
    () =>
      ctr(['version']).then(
        () => true,
        () => false,
      ),
    60_000,
  );
  await ctr(['images', 'import', '--snapshotter', 'overlayfs', IMAGE]);
  let execs = 0;
  return {
    name,
    address: options.address,
    podNetwork: options.podNetwork,
    namespace,
    cgroup,
    host,
    daemon,
    join: (server, keys) => {
      const certificate = `node-${name}`;
      keys.sign(certificate, `/O=system:nodes/CN=system:node:${name}`, ['extendedKeyUsage=clientAuth']);
      const file = (title: string, content: object): string => {
        writeFileSync(join(folder, title), JSON.stringify(content));
        return `--config=${join(folder, title)}`;
      };
      daemon(`kubelet of ${name}`, [
        program('kubelet'),
        file('kubelet.json', kubeletConfiguration(folder, keys)),
        ...[`--kubeconfig=${keys.kubeconfig(certificate, server)}`, `--hostname-override=${name}`],
        `--node-ip=${options.address}`,
      ]);
      daemon(`kube-proxy of ${name}`, [
        program('kube-proxy'),
        file('proxy.json', proxyConfiguration({ ...options, kubeconfig: keys.kubeconfig('admin', server) })),
      ]);
    },
    exec: (containerId, command) => {
      execs += 1;
      return ctr(['task', 'exec', '--exec-id', `test-${process.pid}-${execs}`, containerId, ...command]);
    },
    output: () => daemons.map((each) => each.output()).join('\n'),
  };
}

/** What to put before a command so that it runs in these cgroups too. */
function joining(cgroups: readonly LegacyCgroup[]): string[] {
  const join = cgroups.map(({ path }) => `echo $$ >${path}/cgroup.procs`).join(' && ');
  return cgroups.length === 0 ? [] : ['/bin/sh', '-c', `${join} && exec "$@"`, 'sh'];
}

/** cgroup mounts as a node has them: v2 alone, or the v1 hierarchies with v2 beside them. */
function cgroupMounts(root: string, legacy: readonly LegacyCgroup[]): string[] {
  if (legacy.length === 0) return [`mount -t cgroup2 cgroup2 ${root}`];
  const names = legacy.map(({ hierarchy }) => hierarchy.replace('name=', ''));
  return [
    `mount -t tmpfs tmpfs ${root}`,
    `mkdir ${['unified', ...names].map((name) => `${root}/${name}`).join(' ')}`,
    `mount -t cgroup2 cgroup2 ${root}/unified`,
    ...legacy.map(({ hierarchy }, index) => {
      const options = hierarchy.startsWith('name=') ? `none,${hierarchy}` : hierarchy;
      return `mount -t cgroup -o ${options} cgroup ${root}/${names[index]}`;
    }),
  ];
}

/** The mounts of a node: a /sys of its own network and cgroup namespace, and state of its own below /run and /var. */
function mounts(folder: string, legacy: readonly LegacyCgroup[]): string {
  const state = ['kubelet', 'containerd', 'cni', 'kube-proxy'];
  const lines = [
    'mount --make-rprivate /',
    `mkdir -p ${folder}/sys ${folder}/log ${state.map((each) => `${folder}/${each}`).join(' ')}`,
    `mount -t sysfs sysfs ${folder}/sys`,
    ...cgroupMounts(`${folder}/sys/fs/cgroup`, legacy),
    `mount --rbind ${folder}/sys /sys`,
    'mount -t tmpfs tmpfs /run',
    'mkdir -p /run/lock /run/netns',
    `mount --bind ${folder}/log /var/log`,
    'mount -t tmpfs tmpfs /var/lib',
    ...state.map((each) => `mkdir -p /var/lib/${each}; mount --bind ${folder}/${each} /var/lib/${each}`),
    ...Object.entries(SYSCTLS).map(
      ([name, value]) =>
        `echo ${value} >${folder}/${name.replaceAll('/', '.')}; mount --bind ${folder}/${name.replaceAll('/', '.')} /proc/sys/${name} || true`,
    ),
    'mount --make-rshared /',
    'sysctl -qw net.ipv4.ip_forward=1',
  ];
  return lines.join('\n');
}
