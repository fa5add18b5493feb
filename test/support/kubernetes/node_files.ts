/** Configuration files of a node's daemons. */
import { join } from 'node:path';
import type { Keys } from './keys.ts';

/** Image of every container of the tests' pods, the pause container's too: sh, sleep, cat, curl, nginx. */
export const TOOLBOX = 'registry.invalid/toolbox:1';

/** Pods on a bridge of the node, routed to other nodes as they are; with ports of the host. */
export function networkPlugins(podNetwork: string): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'test',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: podNetwork }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}

/** containerd 1.6, without the right to lower OOM scores, which a container has not. */
export function containerdToml(folder: string, plugins: string, runtime: string): string {
  return `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${TOOLBOX}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "${runtime}"
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "${join(folder, 'cni')}"
`;
}

/** kubelet at the root of its cgroup namespace; it evicts nothing, however full this machine is. */
export function kubeletConfiguration(folder: string, keys: Keys): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cgroupDriver: 'cgroupfs',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: keys.file('authority.crt') },
    },
    authorization: { mode: 'Webhook' },
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    resolvConf: join(folder, 'resolv.conf'),
    failSwapOn: false,
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    volumePluginDir: join(folder, 'volume-plugins'),
    serializeImagePulls: false,
    oomScoreAdj: 0,
  };
}

/** kube-proxy by iptables, NodePorts on the node's address; the machine's conntrack limits stay as they are. */
export function proxyConfiguration(node: { name: string; address: string; kubeconfig: string }): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: node.kubeconfig },
    hostnameOverride: node.name,
    oomScoreAdj: 0,
    mode: 'iptables',
    clusterCIDR: '10.244.0.0/16',
    bindAddress: node.address,
    nodePortAddresses: ['primary'],
    iptables: { minSyncPeriod: '0s' },
    conntrack: { maxPerCore: 0, min: null, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}
