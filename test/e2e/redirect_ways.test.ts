/**
 * The two other ways of the redirect, asked for by pods: packets of two pods of a node past its stack, and connections to
 * chosen ports through a real Envoy that is another container of the pod.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect } from '../../deploy/lab/namespace.ts';
import { listening, type Program, run, start } from '../../deploy/lab/program.ts';
import { uniqueName } from '../../deploy/lab/registry.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { script } from '../bpf/dataplane/redirect.ts';
import { type Envoy, startEnvoy, whyNoEnvoy } from '../support/envoy.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { RedirectScene, type ScenePod } from '../support/redirect_scene.ts';

const STREAM_PORT = 8080;
/** A killed collector is started again, on a machine that is busy. */
const RESTART_MS = 60_000;
const PROXY_PORT = 15_001;
const SERVICE = '10.96.77.7';
const GATEWAY = '169.254.1.1';
const PEER = { labels: { 'flowspan.io/redirect': 'peer' } };

/** Joins a pod to this machine as Calico does: its packets come out of a device of this network namespace. */
function plugIn({ namespace }: ScenePod, address: string): string {
  const device = uniqueName();
  const here = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' });
  here('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace.name);
  here('link', 'set', device, 'up');
  for (const setting of ['forwarding', 'proxy_arp'])
    execFileSync('sysctl', ['-qw', `net.ipv4.conf.${device}.${setting}=1`]);
  // Who is answered for another is kept waiting for up to 0.8 s otherwise: SYNs would be sent again.
  execFileSync('sysctl', ['-qw', `net.ipv4.neigh.${device}.proxy_delay=0`]);
  namespace.run('ip', 'addr', 'add', `${address}/32`, 'dev', 'eth0');
  namespace.run('ip', 'link', 'set', 'eth0', 'up');
  namespace.run('ip', 'route', 'add', GATEWAY, 'dev', 'eth0', 'scope', 'link');
  namespace.run('ip', 'route', 'add', 'default', 'via', GATEWAY);
  here('route', 'add', `${address}/32`, 'dev', device);
  // The node asks nobody who that is, and says nothing of its own there: each packet that it sends is a pod's.
  const [{ address: mac }] = JSON.parse(
    execFileSync('ip', ['-n', namespace.name, '-j', 'link', 'show', 'eth0'], { encoding: 'utf8' }),
  );
  here('neigh', 'replace', address, 'lladdr', mac, 'dev', device, 'nud', 'permanent');
  execFileSync('sysctl', ['-qw', `net.ipv6.conf.${device}.disable_ipv6=1`]);
  return device;
}

describe("pods of a node that ask for the way past the node's stack", { skip: whyNot() ?? false }, () => {
  let scene: RedirectScene;
  let client: ScenePod;
  let server: ScenePod;
  let serving: Program;
  let pausing: Program;
  let device: string;
  const [clientAddress, serverAddress] = ['10.207.77.1', '10.207.77.2'];

  before(async () => {
    scene = await RedirectScene.open();
    [client, server] = [scene.createPod('client'), scene.createPod('server')];
    plugIn(client, clientAddress);
    device = plugIn(server, serverAddress);
    scene.tell('client', 'shop', [clientAddress], PEER);
    scene.tell('server', 'data', [serverAddress], PEER);
    serving = start(server, script('stream.ts', 'serve', STREAM_PORT));
    // As a pod's first container does, it keeps the pod's network known.
    pausing = start(client, ['sleep', 'infinity']);
    await listening(server.namespace, STREAM_PORT);
  });
  after(async () => {
    for (const program of [serving, pausing]) await program?.stop();
    await scene?.close();
  });

  const stream = (connections: number, bytes: number, writeMs = 0): Promise<string> =>
    run(client, script('stream.ts', 'stream', serverAddress, STREAM_PORT, connections, bytes, 0, writeMs));
  /** Packets that the node's stack gave to the server's device. */
  const sent = (): number => {
    const [link] = JSON.parse(execFileSync('ip', ['-s', '-j', 'link', 'show', device], { encoding: 'utf8' })) as {
      stats64: { tx: { packets: number } };
    }[];
    return link!.stats64.tx.packets;
  };
  const packets = () => scene.metric('flowspan_redirect_peer_packets_total');

  it('are counted and go through it where that is audited', async () => {
    await scene.goAsFar('audit');
    await scene.hasEntries('peer_endpoints', 2);
    assert.deepEqual(await scene.complaints(), []);
    const begin = sent();
    assert.equal(await stream(4, 200_000), '4\n');
    assert.ok(sent() - begin > 50);
    assert.deepEqual([await scene.connections('peer', 'audited'), await packets()], [4, 0]);
  });

  it('go past it where that is enforced, also while no collector is there', async () => {
    await scene.goAsFar('enforce');
    await scene.hasEntries('peer_endpoints', 2);
    const streams = stream(4, 2_000_000, 20);
    await eventually('packets', async () => (await packets()) > 20);
    assert.equal(await scene.connections('peer', 'redirected'), 4);
    const begin = sent();
    process.kill(scene.collector.pid('collector'), 'SIGKILL');
    assert.equal(await streams, '4\n');
    assert.equal(sent() - begin, 0);
  });

  it('go on as they are when that is audited again', async () => {
    const streams = stream(4, 2_000_000, 40);
    await eventually(
      'the collector again',
      async () => {
        try {
          return (await scene.connections('peer', 'redirected')) === 8;
        } catch {
          return false;
        }
      },
      RESTART_MS,
    );
    const begin = sent();
    await scene.goAsFar('audit');
    assert.equal(await streams, '4\n');
    assert.equal(sent() - begin, 0);
  });

  it('are told where they have no such device, or share the network of the node', async () => {
    const [away, near] = [scene.createPod('away'), scene.createPod('near')];
    const pair = connect(away.namespace, near.namespace);
    const sleeping = [away, near].map((pod) => start(pod, ['sleep', '60']));
    scene.tell('away', 'shop', [pair.a.ipv4], PEER);
    scene.tell('near', 'shop', ['192.0.2.1'], { ...PEER, hostNetwork: true });
    await eventually('two complaints', async () => {
      return (await scene.complaints()).sort().join() === 'Pod away NoVeth,Pod near HostNetwork';
    });
    for (const program of sleeping) await program.stop();
  });
});

describe('a pod with a proxy', { skip: whyNot() ?? whyNoEnvoy() ?? false }, () => {
  let scene: RedirectScene;
  let client: ScenePod;
  let server: ScenePod;
  let nginx: Nginx;
  let envoy: Envoy;
  let host: string;
  let addresses: string[];

  const wish = (proxy: string) => ({ annotations: { 'flowspan.io/proxy': proxy, 'flowspan.io/proxy-ports': '80' } });

  before(async () => {
    scene = await RedirectScene.open();
    [client, server] = [scene.createPod('client'), scene.createPod('server')];
    const pair = connect(client.namespace, server.namespace);
    [host, addresses] = [pair.b.ipv4, [pair.a.ipv4]];
    nginx = await startNginx(server);
    envoy = await startEnvoy(
      { namespace: client.namespace, cgroup: createCgroup(client.pod.path, 'envoy') },
      PROXY_PORT,
    );
    scene.tell('client', 'shop', addresses, wish(`127.0.0.1:${PROXY_PORT}`));
    scene.tell('server', 'shop', [host]);
  });
  after(async () => {
    for (const each of [envoy, nginx]) await each?.stop();
    await scene?.close();
  });

  const ask = async (name = host): Promise<void> => {
    assert.equal(await run(client, ['curl', '-sS', '-m', '10', `http://${name}/`]), 'hello from a server\n');
  };

  it('is left alone where that is audited, and its connections are counted', async () => {
    await scene.goAsFar('audit');
    await scene.hasEntries('proxy_ports', 1);
    await ask();
    assert.equal(await scene.connections('proxy', 'audited'), 1);
    assert.deepEqual(envoy.connections(), []);
  });

  it('has its connections go there where that is enforced, and the proxy knows where they were to go', async () => {
    await scene.goAsFar('enforce', { FLOWSPAN_DATAPLANE_LOAD_BALANCING: 'enforce' });
    await scene.hasEntries('proxy_ports', 1);
    for (let i = 0; i < 5; i += 1) await ask();
    const seen = await eventually('its log', () => envoy.connections().length === 5 && envoy.connections());
    assert.deepEqual(new Set(seen), new Set([`${host}:80 ${host}:80`]));
    assert.equal(await scene.connections('proxy', 'redirected'), 5);
    assert.equal(await scene.connections('proxy', 'own'), 5);
    assert.ok((await scene.metric('flowspan_redirect_original_destinations_total')) >= 5);
  });

  it('has it told the address of the service that was dialled, which its own connection is then balanced to', async () => {
    scene.tellService('back', 'shop', SERVICE, host);
    const before = envoy.connections().length;
    await eventually('the service', () =>
      ask(SERVICE)
        .then(() => true)
        .catch(() => false),
    );
    const seen = await eventually('its log', () => envoy.connections().slice(before).at(-1));
    assert.equal(seen, `${SERVICE}:80 ${SERVICE}:80`);
  });

  it('keeps it where what it says is broken, and that is told', async () => {
    scene.tell('client', 'shop', addresses, wish('envoy:15001'));
    await eventually('a complaint', async () => (await scene.complaints()).join() === 'Pod client InvalidRedirect');
    const before = envoy.connections().length;
    await ask();
    await eventually('its log', () => envoy.connections().length === before + 1);
  });

  it('has none any more where it says so', async () => {
    scene.tell('client', 'shop', addresses, wish('none'));
    await scene.hasEntries('proxy_ports', 0);
    const before = envoy.connections().length;
    await ask();
    assert.deepEqual([envoy.connections().length, await scene.complaints()], [before, []]);
  });
});
