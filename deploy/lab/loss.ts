/** Rules that lose packets on their way in, before the sockets and before any BPF program of a cgroup see them. */
import type { Namespace } from './namespace.ts';

const RAW = ['-t', 'raw'];

function ban(namespace: Namespace, family: 4 | 6, ...match: string[]): () => void {
  const command = family === 4 ? 'iptables' : 'ip6tables';
  namespace.run(command, ...RAW, '-A', 'PREROUTING', '-p', 'tcp', ...match, '-j', 'DROP');
  return () => void namespace.run(command, ...RAW, '-D', 'PREROUTING', '-p', 'tcp', ...match, '-j', 'DROP');
}

/**
 * Loses a share of the TCP packets that arrive in the namespace, of both IP versions.
 * @param share from 0 to 1
 * @returns ends the loss
 */
export function loseAtRandom(namespace: Namespace, share: number): () => void {
  const match = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)];
  const ends = ([4, 6] as const).map((family) => ban(namespace, family, ...match));
  return () => {
    for (const end of ends) end();
  };
}

/**
 * Loses the first IPv4 TCP packet that arrives in the namespace and holds `text`; later ones, and its retransmission,
 * pass.
 * @returns packets lost so far
 */
export function loseFirstWith(namespace: Namespace, text: string): () => number {
  const once = ['-m', 'statistic', '--mode', 'nth', '--every', '2147483647', '--packet', '0'];
  ban(namespace, 4, '-m', 'string', '--algo', 'bm', '--string', text, ...once);
  return () => {
    const line = namespace
      .run('iptables', ...RAW, '-L', 'PREROUTING', '-v', '-n', '-x')
      .split('\n')
      .find((candidate) => candidate.includes(`"${text}"`));
    return Number(line?.trim().split(/\s+/)[0] ?? 0);
  };
}

/** Refuses a share of the TCP packets that leave the namespace: the sender's transmit fails with EPERM. */
export function refuseToSend(namespace: Namespace, share: number): () => void {
  const rule = [
    'OUTPUT',
    '-p',
    'tcp',
    '-m',
    'statistic',
    '--mode',
    'random',
    '--probability',
    String(share),
    '-j',
    'DROP',
  ];
  namespace.run('iptables', '-A', ...rule);
  return () => void namespace.run('iptables', '-D', ...rule);
}

/**
 * Loses a share of the IPv4 TCP packets to and from one address that a router passes on.
 * @param share from 0 to 1
 * @returns ends the loss
 */
export function loseOnLink(router: Namespace, address: string, share: number): () => void {
  const match = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)];
  const ends = ['-s', '-d'].map((side) => ban(router, 4, side, address, ...match));
  return () => {
    for (const end of ends) end();
  };
}
