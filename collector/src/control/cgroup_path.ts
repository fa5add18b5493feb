/** What a cgroup path says about who lives there: container runtimes and systemd name their cgroups by rule. */

/** What a path was found to name. */
export type CgroupOwner =
  /** `path` is where the owner's cgroup stands; those below belong to it. */
  | { readonly kind: 'container'; readonly runtime: Runtime; readonly containerId: string; readonly path: string }
  /** A systemd unit; `manager` is the path of the user manager it belongs to, empty for the system's. */
  | { readonly kind: 'unit'; readonly unit: string; readonly manager: string; readonly path: string }
  | { readonly kind: 'session'; readonly session: string; readonly uid: number; readonly path: string }
  /** Nothing by itself: each process counts. */
  | { readonly kind: 'process' };

export type Runtime = 'docker' | 'containerd' | 'cri-o' | 'podman' | 'machine' | 'unknown';

const ID = '([0-9a-f]{64})';
/** By runtime, how its scopes and directories are called. The CRI's own monitor cgroups are no containers. */
const CONTAINERS: readonly (readonly [Runtime, RegExp])[] = [
  ['docker', new RegExp(`^docker-${ID}\\.scope$`)],
  ['containerd', new RegExp(`^(?:cri-containerd|nerdctl|containerd)-${ID}\\.scope$`)],
  ['cri-o', new RegExp(`^crio-${ID}(?:\\.scope)?$`)],
  ['podman', new RegExp(`^libpod-${ID}(?:\\.scope)?$`)],
  ['unknown', new RegExp(`^(?:.*:cri-containerd:)?${ID}$`)],
];
const PARENTS: Readonly<Record<string, Runtime>> = {
  docker: 'docker',
  'k8s.io': 'containerd',
  default: 'containerd',
  moby: 'docker',
};

/** A pod that a path names, by the UID that its node knows it by: of static pods that is the hash of their file. */
export interface PodCgroup {
  readonly uid: string;
  /** Where the pod's cgroup stands. */
  readonly path: string;
}

/** systemd's driver and containerd without it write slices, the latter with the container's id behind. */
const POD_SLICE = /^(?:.+-)?kubepods(?:-[a-z]+)?-pod([0-9a-f]{8}(?:_?[0-9a-f]{4}){3}_?[0-9a-f]{12})\.slice(?::.+)?$/;
const POD_DIRECTORY = /^pod([0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12})$/;

/**
 * Pods that a path names, the innermost first: a node that is itself a container has paths within paths. The monitors
 * that cri-o puts beside its containers are no pods.
 */
export function podsOfCgroup(path: string): PodCgroup[] {
  if (!path.includes('kubepods') || path.includes('/crio-conmon-')) return [];
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  const pods: PodCgroup[] = [];
  let below = -1;
  for (const [index, part] of parts.entries()) {
    const slice = POD_SLICE.exec(part)?.[1];
    // Under cgroupfs the pod is one or, with its quality of service, two levels below.
    if (part === 'kubepods') below = index;
    const directory = below !== -1 && index - below <= 2 ? POD_DIRECTORY.exec(part)?.[1] : undefined;
    const uid = slice?.replaceAll('_', '-') ?? directory;
    if (uid !== undefined) pods.unshift({ uid, path: upTo(parts, index) });
  }
  return pods;
}

/** systemd escapes bytes in unit names as \\xHH. */
function unescaped(unit: string): string {
  return unit.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function upTo(parts: readonly string[], index: number): string {
  return `/${parts.slice(0, index + 1).join('/')}`;
}

function containerOf(parts: readonly string[]): CgroupOwner | undefined {
  for (const [index, part] of parts.entries()) {
    for (const [runtime, pattern] of CONTAINERS) {
      const containerId = pattern.exec(part)?.[1];
      if (containerId === undefined) continue;
      const byParent = PARENTS[parts[index - 1] ?? ''] ?? 'unknown';
      const path = upTo(parts, index);
      return { kind: 'container', runtime: runtime === 'unknown' ? byParent : runtime, containerId, path };
    }
    const machine = /^machine-(.+)\.scope$/.exec(part)?.[1] ?? /^systemd-nspawn@(.+)\.service$/.exec(part)?.[1];
    if (machine !== undefined)
      return { kind: 'container', runtime: 'machine', containerId: unescaped(machine), path: upTo(parts, index) };
  }
  return undefined;
}

/** Reads a path below a cgroup mount, such as `/system.slice/nginx.service`. */
export function ownerOfCgroup(path: string): CgroupOwner {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  const container = containerOf(parts);
  if (container !== undefined) return container;
  const at = parts.findLastIndex((part) => /^[^/]+\.(?:service|scope|socket|mount|swap)$/.test(part));
  const unit = parts[at];
  if (unit === undefined) return { kind: 'process' };
  const session = /^session-(.+)\.scope$/.exec(unit)?.[1];
  const uid = Number(/^user-(\d+)\.slice$/.exec(parts[at - 1] ?? '')?.[1]);
  const own = upTo(parts, at);
  if (session !== undefined && !Number.isNaN(uid)) return { kind: 'session', session, uid, path: own };
  const manager = parts.findLastIndex((part, index) => index < at && /^user@\d+\.service$/.test(part));
  return { kind: 'unit', unit: unescaped(unit), manager: manager === -1 ? '' : upTo(parts, manager), path: own };
}

/**
 * Id of the container that a path lies in; empty if none.
 * @param owner path of the pod's cgroup where one is known: of containers around it none is meant
 */
export function containerOfCgroup(path: string, owner: string): string {
  const within = owner !== '' && path.startsWith(`${owner}/`) ? path.slice(owner.length) : path;
  const found = ownerOfCgroup(within);
  return found.kind === 'container' ? found.containerId : '';
}
