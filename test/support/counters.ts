/** What the kernel's own tools say: nstat's counters and the sockets of ss. */
import type { Namespace } from '../../deploy/lab/namespace.ts';

/** Every counter of the namespace by nstat's name, such as TcpRetransSegs, since the namespace was made. */
export function nstat(namespace: Namespace): Record<string, number> {
  return (JSON.parse(namespace.run('nstat', '-aszj')) as { kernel: Record<string, number> }).kernel;
}

/** One connection as `ss -tin` shows it. */
export interface SsConnection {
  readonly localPort: number;
  readonly peerPort: number;
  /** bytes_sent, segs_in and the like; a counter that ss leaves out is 0. `retrans_total` is the total of `retrans:`. */
  counter(name: string): number;
}

/** The established connections of the namespace. */
export function ssConnections(namespace: Namespace): SsConnection[] {
  return namespace
    .run('ss', '-tinOH', 'state', 'established')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, , local = '', peer = '', ...details] = line.trim().split(/\s+/);
      const counters = new Map(
        details.map((detail): [string, number] => {
          const [name = '', value = ''] = detail.split(':');
          return name === 'retrans' ? ['retrans_total', Number(value.split('/')[1])] : [name, Number.parseFloat(value)];
        }),
      );
      const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
      return { localPort: portOf(local), peerPort: portOf(peer), counter: (name) => counters.get(name) ?? 0 };
    });
}

/** States of sockets that may still send again, whatever waits to be acknowledged. */
const UNSETTLED = /^(SYN-SENT|SYN-RECV|FIN-WAIT-1|CLOSING|LAST-ACK)$/;

/** Whether no socket of the namespace has anything to send or to be acknowledged: no segment is sent again from here on. */
export function isAllAcknowledged(namespace: Namespace): boolean {
  return namespace
    .run('ss', '-tanH')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .every(([state = '', , sendQueue = '0']) => state === 'LISTEN' || (!UNSETTLED.test(state) && sendQueue === '0'));
}

/** Counts TCP packets with RST that reach the namespace's sockets, from when it is called. */
export function countResetsReceived(namespace: Namespace): () => number {
  namespace.run(
    'nft',
    'add table inet resets; add chain inet resets in { type filter hook input priority 0; }; ' +
      'add rule inet resets in tcp flags & rst == rst counter',
  );
  return () => Number(/counter packets (\d+)/.exec(namespace.run('nft', 'list', 'table', 'inet', 'resets'))?.[1]);
}
