/** The shop's network: each host in a namespace and cgroup of its own, one cable each to a router between them. */
import { execFileSync } from 'node:child_process';
import { cgroupRoot, createCgroup } from '../lab/cgroup.ts';
import { loseOnLink } from '../lab/loss.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import type { Place } from '../lab/program.ts';
import { uniqueName } from '../lab/registry.ts';

/** A host of the shop. */
export interface Host extends Required<Place> {
  /** Its name, and the workload that Flowspan knows it as. */
  readonly name: string;
  readonly namespace: Namespace;
  readonly address: string;
}

/** Hosts and what is between them. */
export interface Network<Name extends string> {
  readonly hosts: Readonly<Record<Name, Host>>;
  /** The cgroup of all hosts: what Flowspan watches. */
  readonly slice: string;
  /**
   * Loses TCP packets on the link of one host, in both directions.
   * @param share from 0 to 1
   * @returns ends it
   */
  lose(host: Name, share: number): () => void;
  remove(): void;
}

/**
 * Has every packet that arrives on a device handled by one processor: else packets of one connection, sent from two,
 * overtake each other, and TCP retransmits what was never lost. `ip netns exec`, because it shows the namespace's /sys.
 */
function keepOrder(namespace: Namespace, device: string): void {
  const file = `/sys/class/net/${device}/queues/rx-0/rps_cpus`;
  execFileSync('ip', ['netns', 'exec', namespace.name, 'sh', '-c', `echo 1 > ${file}`]);
}

/** Makes the network. Cgroups are named as systemd names those of services, so that each host is a workload. */
export function createNetwork<Name extends string>(names: readonly Name[]): Network<Name> {
  const slice = createCgroup(cgroupRoot(), `flowspan-demo-${process.pid}-${uniqueName()}.slice`);
  const router = createNamespace();
  router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  const hosts = names.map((name, index): Host => {
    const namespace = createNamespace();
    const [device, cable] = [uniqueName(), uniqueName()];
    const [address, gate] = [`10.77.${index + 1}.2`, `10.77.${index + 1}.1`];
    router.run('ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', device, 'netns', namespace.name);
    router.run('ip', 'addr', 'add', `${gate}/24`, 'dev', cable);
    router.run('ip', 'link', 'set', cable, 'up');
    namespace.run('ip', 'addr', 'add', `${address}/24`, 'dev', device);
    // Segments go one by one, as on a real wire: else one packet of 64 KiB is lost or not.
    namespace.run('ip', 'link', 'set', device, 'gso_max_segs', '1', 'up');
    keepOrder(namespace, device);
    keepOrder(router, cable);
    namespace.run('ip', 'route', 'add', 'default', 'via', gate);
    return { name, namespace, address, cgroup: createCgroup(slice.path, `${name}.service`) };
  });
  const byName = Object.fromEntries(hosts.map((host) => [host.name, host])) as Record<Name, Host>;
  return {
    hosts: byName,
    slice: slice.path,
    lose: (host, share) => loseOnLink(router, byName[host].address, share),
    remove: () => {
      slice.remove();
      for (const namespace of [...hosts.map((host) => host.namespace), router]) namespace.remove();
    },
  };
}
