/** The one rule of bench policy-l7, as each of those that enforce it is told: GET of paths below /r. All else is refused. */
import { EXTENSION } from '../peer-sidecars/sidecar.ts';

const METHOD = 'GET';
/** RE2, which matches a path as a whole, its query too. */
const PATH = '/r/[a-z0-9/-]+';

/** What it refuses, of what the service would answer. */
export const REFUSED_PATH = '/r/UPPER';

/** @param port of the service */
export const asCiliumPolicy = (port: number): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: read-only, namespace: y}
spec:
  endpointSelector: {}
  ingress:
    - toPorts:
        - ports: [{port: "${port}", protocol: TCP}]
          rules: {http: [{method: ${METHOD}, path: "${PATH}"}]}
`;

export const asHaproxyRules = `
  acl allowed_method method ${METHOD}
  acl allowed_path pathq -m reg ^${PATH}$
  http-request deny deny_status 403 unless allowed_method allowed_path`;

export const asEnvoyFilter: object = {
  name: 'envoy.filters.http.rbac',
  typed_config: {
    '@type': `${EXTENSION}.filters.http.rbac.v3.RBAC`,
    rules: {
      action: 'ALLOW',
      policies: {
        'read-only': {
          principals: [{ any: true }],
          permissions: [
            {
              and_rules: {
                rules: [
                  { header: { name: ':method', string_match: { exact: METHOD } } },
                  { header: { name: ':path', string_match: { safe_regex: { regex: PATH } } } },
                ],
              },
            },
          ],
        },
      },
    },
  },
};
