/** Plain pods and ends as the model has them. */
import type { End, Pod } from '../../../../collector/src/control/policy/endpoints.ts';
import { PROTOCOLS } from '../../../../collector/src/control/policy/model.ts';
import type { PlainEnd } from './naive.ts';
import type { PlainPod } from './random.ts';
import { address } from './world.ts';

export function podOf(plain: PlainPod): Pod {
  const { name, namespace, namespaceLabels, labels, node, ports, ip } = plain;
  return {
    ...{ uid: name, namespace, node, serviceAccount: 'default', hostNetwork: false, addresses: [address(ip)] },
    namespaceLabels: new Map(Object.entries(namespaceLabels)),
    labels: new Map(Object.entries(labels)),
    ports: ports.map((port) => ({ ...port, protocol: PROTOCOLS[port.protocol as keyof typeof PROTOCOLS] })),
  };
}

export function endOf({ pod, node, ip }: PlainEnd): End {
  return {
    address: address(ip),
    ...(pod && { pod: podOf(pod) }),
    ...(node !== undefined && { node: { name: node, labels: new Map(), addresses: [address(ip)] } }),
  };
}
