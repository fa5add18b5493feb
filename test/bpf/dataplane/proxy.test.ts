/** Connections to chosen ports go to a real Envoy, which learns from its socket where they were to go. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { PinnedDataplane, u64 } from './pinned.ts';

const ENVOY = join(import.meta.dirname, '../../../fixtures/bin/envoy');
const PROXY_PORT = 15001;
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** An Envoy that passes every connection on to where it was to go, with a mesh's listener filter. */
function configuration(): object {
  const listener = (name: string, address: string) => ({
    name,
    address: { socket_address: { address, port_value: PROXY_PORT } },
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

describe('connections to a port that has a proxy', {
  skip: existsSync(ENVOY) ? false : 'no Envoy: make setup-bench',
}, () => {
  let dataplane: PinnedDataplane;
  let cgroups: { parent: Cgroup; pod: Cgroup; container: Cgroup; proxy: Cgroup };
  let client: Namespace;
  let server: Namespace;
  let nginx: Nginx;
  let envoy: Program;
  let host: { ipv4: string; ipv6: string };

  before(async () => {
    const parent = createCgroup();
    const pod = createCgroup(parent.path, 'pod');
    cgroups = { parent, pod, container: createCgroup(pod.path, 'c'), proxy: createCgroup(parent.path, 'proxy') };
    [client, server] = [createNamespace(), createNamespace()];
    host = connect(client, server).b;
    nginx = await startNginx({ namespace: server, cgroup: cgroups.proxy }, { port: 80 });
    dataplane = new PinnedDataplane();
    for (const [program, type] of [
      ['proxy_connect4', 'connect4'],
      ['proxy_connect6', 'connect6'],
      ['proxy_established', 'sock_ops'],
      ['proxy_original_destination', 'getsockopt'],
    ] as const)
      dataplane.attachCgroup(program, type, parent);
    const file = join(temporaryFolder(), 'envoy.json');
    writeFileSync(file, JSON.stringify(configuration()));
    const place = { namespace: client, cgroup: cgroups.proxy };
    envoy = start(place, [
      ENVOY,
      '-c',
      file,
      '--concurrency',
      '1',
      '--disable-hot-restart',
      '-l',
      'warning',
      '--file-flush-interval-msec',
      '50',
    ]);
    await listening(client, PROXY_PORT);
    const listener = Buffer.alloc(24);
    Buffer.from([127, 0, 0, 1]).copy(listener);
    listener[19] = 1;
    listener.writeUInt16BE(PROXY_PORT, 20);
    dataplane.set('proxy_listeners', u64(pod.id), listener);
    dataplane.set('proxy_ports', Buffer.from([80, 0]), Buffer.from([1]));
  });
  after(async () => {
    for (const program of [envoy, nginx]) await program?.stop();
    for (const cgroup of [cgroups.container, cgroups.proxy, cgroups.pod, cgroups.parent]) cgroup.remove();
    for (const namespace of [client, server]) namespace.remove();
    dataplane?.close();
  });

  const ask = (url: string, cgroup: Cgroup): Promise<string> =>
    run({ namespace: client, cgroup }, ['curl', '-sS', '-m', '10', url]);

  /** Of its log of connections; it also writes warnings. */
  const lines = (): string[] =>
    envoy
      .output()
      .split('\n')
      .filter((line) => /^\S+:\d+ \S+:\d+$/.test(line));

  for (const [family, name] of [
    ['ipv4', () => host.ipv4],
    ['ipv6', () => `[${host.ipv6}]`],
    ['ipv4 of a socket for both', () => `[::ffff:${host.ipv4}]`],
  ] as const)
    it(`reach their destination through it: ${family}`, async () => {
      const begin = lines().length;
      for (let i = 0; i < 5; i += 1)
        assert.equal(await ask(`http://${name()}/`, cgroups.container), 'hello from a server\n');
      const seen = await eventually('its log', () => lines().length === begin + 5 && lines().slice(begin));
      const destination = family === 'ipv6' ? `[${host.ipv6}]:80` : `${host.ipv4}:80`;
      assert.deepEqual(
        seen,
        Array.from({ length: 5 }, () => `${destination} ${destination}`),
      );
    });

  it('are all that goes there: not other ports, and not of other cgroups', async () => {
    const begin = lines().length;
    await assert.rejects(ask(`http://${host.ipv4}:81/`, cgroups.container), /Couldn't connect|refused/i);
    assert.equal(await ask(`http://${host.ipv4}/`, cgroups.proxy), 'hello from a server\n');
    assert.equal(lines().length, begin);
  });
});
