/** A real Envoy that passes every connection on to where it was to go, as a mesh's does. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Place, start } from '../../deploy/lab/program.ts';
import { temporaryFolder } from './flowspan.ts';

const ENVOY = join(import.meta.dirname, '../../fixtures/bin/envoy');
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** With a mesh's listener filter, on both families' loopback. */
function configuration(port: number): object {
  const listener = (name: string, address: string) => ({
    name,
    address: { socket_address: { address, port_value: port } },
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: { '@type': `${EXTENSIONS}.filters.listener.original_dst.v3.OriginalDst` },
      },
    ],
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`,
              stat_prefix: name,
              cluster: 'original',
              access_log: [
                {
                  name: 'envoy.access_loggers.stdout',
                  typed_config: {
                    '@type': `${EXTENSIONS}.access_loggers.stream.v3.StdoutAccessLog`,
                    log_format: {
                      text_format_source: { inline_string: '%DOWNSTREAM_LOCAL_ADDRESS% %UPSTREAM_HOST%\n' },
                    },
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  });
  return {
    static_resources: {
      listeners: [listener('ipv4', '127.0.0.1'), listener('ipv6', '::1')],
      clusters: [{ name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '5s' }],
    },
  };
}

/** It runs until it is stopped. */
export interface Envoy {
  /** A line for each connection that ended: where its client's socket said that it was to go, and where it went. */
  connections(): string[];
  stop(): Promise<void>;
}

/** Why there is none; undefined if there is. For a test's `skip`. */
export function whyNoEnvoy(): string | undefined {
  return existsSync(ENVOY) ? undefined : 'no Envoy: make setup-bench';
}

/** Starts one that listens on a port of the loopback, and resolves when it does. */
export async function startEnvoy(place: Place & { readonly namespace: Namespace }, port: number): Promise<Envoy> {
  const file = join(temporaryFolder(), 'envoy.json');
  writeFileSync(file, JSON.stringify(configuration(port)));
  const quick = ['--concurrency', '1', '--disable-hot-restart', '--file-flush-interval-msec', '50'];
  const program = start(place, [ENVOY, '-c', file, '-l', 'warning', ...quick]);
  await listening(place.namespace, port);
  return {
    // It also writes warnings.
    connections: () =>
      program
        .output()
        .split('\n')
        .filter((line) => /^\S+:\d+ \S+:\d+$/.test(line)),
    stop: () => program.stop(),
  };
}
