/** A flat pod network: namespaces with an address each, on one bridge. Pods come and go in them; the addresses stay. */
import { execFileSync } from 'node:child_process';
import { createNamespace, type Namespace } from '../../../../deploy/lab/namespace.ts';

/** A place that one pod after the other is in. */
export interface PodPlace {
  readonly address: string;
  readonly namespace: Namespace;
}

export interface PodNetwork {
  readonly places: readonly PodPlace[];
  remove(): void;
}

const TIMEOUT_MS = 60_000;
const BRIDGE = 'pods';

function configure(namespace: Namespace, lines: readonly string[]): void {
  execFileSync('ip', ['-n', namespace.name, '-batch', '-'], { input: `${lines.join('\n')}\n`, timeout: TIMEOUT_MS });
}

/** Makes a network with this many places, at most 250. */
export function createPodNetwork(count: number): PodNetwork {
  const wire = createNamespace();
  configure(wire, [`link add ${BRIDGE} type bridge`, `link set ${BRIDGE} up`]);
  const places = Array.from({ length: count }, (_, index): PodPlace => {
    const namespace = createNamespace();
    const address = `10.123.0.${index + 2}`;
    configure(wire, [
      `link add pod${index} type veth peer name eth0 netns ${namespace.name}`,
      `link set pod${index} master ${BRIDGE} up`,
    ]);
    configure(namespace, [`addr add ${address}/24 dev eth0`, 'link set eth0 up']);
    return { address, namespace };
  });
  const all = [wire, ...places.map(({ namespace }) => namespace)];
  return {
    places,
    remove: () => {
      for (const namespace of all) namespace.remove();
    },
  };
}
