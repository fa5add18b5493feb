/** Arguments of the control plane's programs, for a throw-away control plane and for one in a cluster with nodes. */
import type { Keys } from './keys.ts';

/** Clients of the controllers that are not held back: a test does not wait for politeness. */
const FAST = ['--kube-api-qps=500', '--kube-api-burst=1000'];

/** etcd on two ports of 127.0.0.1, without waiting for the disk: its state is thrown away. */
export function etcdWords(folder: string, clientPort: number, peerPort: number): string[] {
  const [clients, peers] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  return [
    ...[`--data-dir=${folder}`, '--unsafe-no-fsync', '--log-level=warn', `--initial-cluster=default=${peers}`],
    ...[`--listen-client-urls=${clients}`, `--advertise-client-urls=${clients}`],
    ...[`--listen-peer-urls=${peers}`, `--initial-advertise-peer-urls=${peers}`],
  ];
}

/** kube-apiserver on an address, which it also tells others. */
export function apiServerWords(keys: Keys, where: { etcd: number; address: string; port: number }): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${where.etcd}`,
    ...[`--bind-address=${where.address}`, `--advertise-address=${where.address}`, `--secure-port=${where.port}`],
    `--tls-cert-file=${keys.file('apiserver.crt')}`,
    `--tls-private-key-file=${keys.file('apiserver.key')}`,
    `--client-ca-file=${keys.file('authority.crt')}`,
    `--service-account-key-file=${keys.file('tokens.pub')}`,
    `--service-account-signing-key-file=${keys.file('tokens.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-cluster-ip-range=10.96.0.0/16',
    ...['--allow-privileged=true', '--profiling=false'],
  ];
}

/** kube-controller-manager without a port of its own. */
export function controllerManagerWords(keys: Keys, kubeconfig: string): string[] {
  return [
    ...[`--kubeconfig=${kubeconfig}`, '--secure-port=0', '--leader-elect=false', ...FAST],
    ...['--use-service-account-credentials=false', `--service-account-private-key-file=${keys.file('tokens.key')}`],
    `--root-ca-file=${keys.file('authority.crt')}`,
  ];
}

/** kube-scheduler without a port of its own. */
export function schedulerWords(kubeconfig: string): string[] {
  return [`--kubeconfig=${kubeconfig}`, '--secure-port=0', '--leader-elect=false', ...FAST];
}
