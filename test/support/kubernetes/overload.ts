/**
 * An API server that answers an account with 429, by its own priority and fairness: the account shares a single place
 * with a guest, whose requests wait for a webhook that never answers.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { eventually } from '../../../deploy/lab/wait.ts';
import type { KubernetesApi } from './api.ts';
import type { ControlPlane } from './control_plane.ts';

const FLOW_CONTROL = 'flowcontrol.apiserver.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';
const NAME = 'overload';
const GUEST = `system:serviceaccount:${NAME}:${NAME}`;
/** Of guests one has the place, and the other takes it when the server gives the first one up. */
const GUESTS = 2;

/**
 * Resolves when the account is refused; call what it resolves with to end that.
 * @param account a client of the account
 * @param user its name: `system:serviceaccount:<namespace>:<name>`
 */
export async function overload(
  plane: ControlPlane,
  account: KubernetesApi,
  user: string,
): Promise<() => Promise<void>> {
  const { admin } = plane;
  const guest = plane.withToken(await plane.serviceAccountToken(NAME, NAME));
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const objects = objectsOf([user, GUEST], (mute.address() as AddressInfo).port);
  for (const object of Object.values(objects)) await admin.create(object);
  let over = false;
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'x-', namespace: NAME } };
  const guests = Array.from({ length: GUESTS }, async () => {
    while (!over) await guest.create(configMap).catch(() => undefined);
  });
  const status = async (): Promise<number> => (await account.ask('GET', '/api/v1/pods?limit=1')).status;
  await eventually('the account to be refused', async () => (await status()) === 429);
  return async () => {
    if (over) return;
    over = true;
    for (const path of Object.keys(objects)) await admin.delete(path);
    for (const socket of sockets) socket.destroy();
    mute.close();
    await Promise.all(guests);
    guest.close();
  };
}

/** Objects by their paths. */
function objectsOf(users: readonly string[], mutePort: number): Record<string, object> {
  const metadata = { name: NAME };
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] };
  const configMaps = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
  return {
    [`/apis/${FLOW_CONTROL}/flowschemas/${NAME}`]: {
      ...{ apiVersion: FLOW_CONTROL, kind: 'FlowSchema', metadata },
      spec: {
        // The first after the one that is exempt.
        matchingPrecedence: 2,
        priorityLevelConfiguration: metadata,
        rules: [{ subjects: users.map((name) => ({ kind: 'User', user: { name } })), resourceRules: [everything] }],
      },
    },
    [`/apis/${FLOW_CONTROL}/prioritylevelconfigurations/${NAME}`]: {
      ...{ apiVersion: FLOW_CONTROL, kind: 'PriorityLevelConfiguration', metadata },
      spec: {
        type: 'Limited',
        // With no place at all the server still serves one request after the other.
        limited: { nominalConcurrencyShares: 0, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' } },
      },
    },
    [`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${NAME}`]: {
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata },
      subjects: [{ kind: 'User', name: GUEST }],
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    },
    [`/apis/${ADMISSION}/validatingwebhookconfigurations/${NAME}`]: {
      ...{ apiVersion: ADMISSION, kind: 'ValidatingWebhookConfiguration', metadata },
      webhooks: [
        {
          ...{ name: 'mute.flowspan.test', sideEffects: 'None', admissionReviewVersions: ['v1'], timeoutSeconds: 30 },
          clientConfig: { url: `https://127.0.0.1:${mutePort}/` },
          rules: [configMaps],
        },
      ],
    },
  };
}
