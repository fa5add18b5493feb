/** As many services as a cluster has, each with the same three backends: as objects, and as kube-proxy's iptables rules. */
import { service, slice } from '../../bpf/services/objects.ts';

export const PORT = 80;
const BACKENDS = 3;

/** Cluster address of the service with this number. */
export const addressOf = (number: number): string => `10.${96 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;

/** @param backend address of all backends, whose ports follow `firstPort` */
export function objectsOf(services: number, backend: string, firstPort: number): unknown[] {
  return Array.from({ length: services }, (_, number) => [
    service(`s${number}`, [addressOf(number)]),
    ...Array.from({ length: BACKENDS }, (__, at) => slice(`s${number}`, firstPort + at, [backend])),
  ]).flat();
}

/**
 * The chains of kube-proxy's iptables mode: a rule per service in one list, then a chain per service that draws among its
 * endpoints, then a chain per endpoint that translates.
 */
export function rulesOf(services: number, backend: string, firstPort: number): string {
  const chains = [':KUBE-SERVICES - [0:0]'];
  const rules = ['-A OUTPUT -j KUBE-SERVICES'];
  for (let number = 0; number < services; number += 1) {
    chains.push(`:KUBE-SVC-${number} - [0:0]`);
    rules.push(`-A KUBE-SERVICES -d ${addressOf(number)}/32 -p tcp -m tcp --dport ${PORT} -j KUBE-SVC-${number}`);
    for (let at = 0; at < BACKENDS; at += 1) {
      const left = BACKENDS - at;
      const draw = left === 1 ? '' : `-m statistic --mode random --probability ${(1 / left).toFixed(9)} `;
      chains.push(`:KUBE-SEP-${number}-${at} - [0:0]`);
      rules.push(`-A KUBE-SVC-${number} ${draw}-j KUBE-SEP-${number}-${at}`);
      rules.push(`-A KUBE-SEP-${number}-${at} -p tcp -j DNAT --to-destination ${backend}:${firstPort + at}`);
    }
  }
  return `*nat\n${[...chains, ...rules].join('\n')}\nCOMMIT\n`;
}
