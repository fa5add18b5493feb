/** Connections to chosen ports go to a real Envoy, which learns from its socket where they were to go. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ENUMS, PROXY_LISTENER, PROXY_PORT as PROXY_PORT_KEY } from '../../../bpf/dataplane/redirect_proxy.gen.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { run } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type Envoy, startEnvoy, whyNoEnvoy } from '../../support/envoy.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { PinnedDataplane, u64 } from './pinned.ts';

const PROXY_PORT = 15001;
describe('connections to a port that has a proxy', {
  skip: whyNoEnvoy() ?? false,
}, () => {
  let dataplane: PinnedDataplane;
  let cgroups: { parent: Cgroup; pod: Cgroup; container: Cgroup; proxy: Cgroup; other: Cgroup };
  let client: Namespace;
  let server: Namespace;
  let nginx: Nginx;
  let envoy: Envoy;
  let host: { ipv4: string; ipv6: string };

  before(async () => {
    const parent = createCgroup();
    const pod = createCgroup(parent.path, 'pod');
    const [container, proxy] = [createCgroup(pod.path, 'c'), createCgroup(pod.path, 'proxy')];
    cgroups = { parent, pod, container, proxy, other: createCgroup(parent.path, 'other') };
    [client, server] = [createNamespace(), createNamespace()];
    host = connect(client, server).b;
    nginx = await startNginx({ namespace: server, cgroup: cgroups.other }, { port: 80 });
    dataplane = new PinnedDataplane();
    for (const [program, type] of [
      ['proxy_connect4', 'connect4'],
      ['proxy_connect6', 'connect6'],
      ['proxy_established', 'sock_ops'],
      ['proxy_original_destination', 'getsockopt'],
    ] as const)
      dataplane.attachCgroup(program, type, parent);
    envoy = await startEnvoy({ namespace: client, cgroup: cgroups.proxy }, PROXY_PORT);
    goAsFar('enforce');
    const port = Buffer.alloc(PROXY_PORT_KEY.size);
    port.writeBigUInt64LE(pod.id, PROXY_PORT_KEY.cgroup_id);
    port.writeUInt16LE(80, PROXY_PORT_KEY.port);
    dataplane.set('proxy_ports', port, Buffer.of(1));
  });
  after(async () => {
    for (const program of [envoy, nginx]) await program?.stop();
    cgroups.parent.remove();
    for (const namespace of [client, server]) namespace.remove();
    dataplane?.close();
  });

  const goAsFar = (mode: keyof typeof ENUMS.redirect_mode): void => {
    const listener = Buffer.alloc(PROXY_LISTENER.size);
    Buffer.of(127, 0, 0, 1).copy(listener, PROXY_LISTENER.ipv4);
    listener[PROXY_LISTENER.ipv6 + 15] = 1;
    listener.writeUInt16BE(PROXY_PORT, PROXY_LISTENER.port);
    listener.writeUInt8(ENUMS.redirect_mode[mode], PROXY_LISTENER.redirect_mode);
    dataplane.set('proxy_listeners', u64(cgroups.pod.id), listener);
  };

  const ask = (url: string, cgroup: Cgroup): Promise<string> =>
    run({ namespace: client, cgroup }, ['curl', '-sS', '-m', '10', url]);

  const lines = (): string[] => envoy.connections();

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
    assert.equal(await ask(`http://${host.ipv4}/`, cgroups.other), 'hello from a server\n');
    assert.equal(lines().length, begin);
  });

  it('are counted, and go where they were to go, where that is only audited', async () => {
    goAsFar('audit');
    const begin = lines().length;
    const audited = () => dataplane.counters('proxy_counters')[ENUMS.proxy_counter.audited];
    const before = audited();
    assert.equal(await ask(`http://${host.ipv4}/`, cgroups.container), 'hello from a server\n');
    assert.deepEqual([lines().length, audited()], [begin, before! + 1]);
    goAsFar('enforce');
  });
});
