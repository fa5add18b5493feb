/** Nodes and pods that only the API server knows, by the thousand: kwok says of them what a kubelet would say. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KWOK_STAGES } from './find.ts';

const LABEL = 'flowspan-test/simulated';

/** Writes kwok's configuration into a folder and returns its path. From a file kwok takes no default for these. */
export function writeKwokConfiguration(folder: string): string {
  const path = join(folder, 'kwok.yaml');
  const options = {
    cidr: '10.0.0.0/8',
    nodeIP: '10.0.0.1',
    manageAllNodes: false,
    manageNodesWithLabelSelector: LABEL,
    nodeLeaseDurationSeconds: 0,
    nodeLeaseParallelism: 4,
    nodePlayStageParallelism: 4,
    // More would give a pod two addresses, one after the other.
    podPlayStageParallelism: 1,
    podsOnNodeSyncParallelism: 1,
    enablePodsOnNodeSyncStreamWatch: true,
  };
  const configuration = { apiVersion: 'config.kwok.x-k8s.io/v1alpha1', kind: 'KwokConfiguration', options };
  writeFileSync(path, `${JSON.stringify(configuration)}\n${readFileSync(KWOK_STAGES, 'utf8')}`);
  return path;
}

/** A node that kwok plays; its pods have addresses `10.<100 + index / 256>.<index % 256>.x`. @param index below 25,600 */
export function simulatedNode(name: string, index: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { [LABEL]: 'true', 'kubernetes.io/hostname': name } },
    spec: { podCIDR: `10.${100 + Math.floor(index / 256)}.${index % 256}.0/24` },
  };
}
