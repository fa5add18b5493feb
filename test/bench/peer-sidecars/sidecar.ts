/**
 * Envoy as a mesh's sidecar: one HTTP listener, one route, one upstream; if asked for, one JSON line per request in a file,
 * and filters. What a mesh adds to that (TLS, its own metrics, spans) is left out.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../../../deploy/lab/namespace.ts';
import { listening, type Place, type Program, start } from '../../../deploy/lab/program.ts';
import { pinned } from '../kit/cpu.ts';

/** The program, which test/fixtures/envoy.sh fetches. */
export const ENVOY = fileURLToPath(new URL('../../../fixtures/bin/envoy', import.meta.url));

/** Why no sidecar can run here; undefined if one can. */
export function whyNoSidecar(): string | undefined {
  return existsSync(ENVOY) ? undefined : 'fixtures/bin/envoy is not there; run test/fixtures/envoy.sh fixtures';
}

/** Where a sidecar listens, and whom it passes requests on to. */
export interface SidecarOptions {
  readonly name: string;
  readonly listen: { readonly address: string; readonly port: number };
  readonly upstream: { readonly address: string; readonly port: number };
  /** Where it writes its log; left out: it has none. */
  readonly logPath?: string;
  /** HTTP filters before the router. */
  readonly filters?: readonly object[];
}

export const EXTENSION = 'type.googleapis.com/envoy.extensions';

/** The fields of a request that Istio's sidecars write by default. */
const LOG_FIELDS = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  route_name: '%ROUTE_NAME%',
};

const socketAddress = ({ address, port }: SidecarOptions['listen']) => ({
  socket_address: { address, port_value: port },
});

/** Envoy's configuration. */
export function sidecarConfiguration({ name, listen, upstream, logPath, filters = [] }: SidecarOptions): object {
  const log = {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${EXTENSION}.access_loggers.file.v3.FileAccessLog`,
      path: logPath,
      log_format: { json_format: LOG_FIELDS },
    },
  };
  const connectionManager = {
    '@type': `${EXTENSION}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    route_config: {
      virtual_hosts: [
        { name, domains: ['*'], routes: [{ name: 'default', match: { prefix: '/' }, route: { cluster: 'service' } }] },
      ],
    },
    http_filters: [
      ...filters,
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${EXTENSION}.filters.http.router.v3.Router` } },
    ],
    ...(logPath === undefined ? {} : { access_log: [log] }),
  };
  return {
    static_resources: {
      listeners: [
        {
          name,
          address: socketAddress(listen),
          filter_chains: [
            { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }] },
          ],
        },
      ],
      clusters: [
        {
          name: 'service',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'service',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(upstream) } }] }],
          },
        },
      ],
    },
  };
}

/** The words that run Envoy with a configuration that is written into a folder; one worker, as meshes limit sidecars. */
export function sidecarCommand(folder: string, options: SidecarOptions): string[] {
  const file = join(folder, `${options.name}.json`);
  writeFileSync(file, JSON.stringify(sidecarConfiguration(options)));
  return [ENVOY, '--config-path', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'];
}

/** Starts a sidecar and resolves when it listens. */
export async function startSidecar(
  place: Place & { readonly namespace: Namespace },
  cores: string,
  folder: string,
  options: SidecarOptions,
): Promise<Program> {
  const program = start(place, pinned(cores, sidecarCommand(folder, options)));
  try {
    await listening(place.namespace, options.listen.port);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${program.output()}`);
  }
  return program;
}
