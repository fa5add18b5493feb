/** The account of deploy/rbac, as an operator gives it to the collector. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadAllYaml } from '@kubernetes/client-node';
import type { KubernetesApi } from './api.ts';
import { serviceAccountToken } from './control_plane.ts';

const FILE = fileURLToPath(new URL('../../../deploy/rbac/collector.yaml', import.meta.url));
const NAMESPACE = 'flowspan';
const ACCOUNT = 'flowspan-collector';
/** The account's name as a user. */
export const COLLECTOR_USER = `system:serviceaccount:${NAMESPACE}:${ACCOUNT}`;

/** A namespace, the objects of deploy/rbac/collector.yaml in it, and a token of the ServiceAccount. */
export async function collectorToken(admin: KubernetesApi): Promise<string> {
  await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  for (const object of loadAllYaml(readFileSync(FILE, 'utf8')) as object[]) await admin.create(object);
  return serviceAccountToken(admin, NAMESPACE, ACCOUNT);
}
