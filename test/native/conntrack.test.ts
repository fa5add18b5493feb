/**
 * Connection tracking asked by netlink: a client, a router that translates as kube-proxy does, and a server, each in a
 * namespace; asked is the router's.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Conntrack, openConntrack } from '../../collector/native/addon.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { type Program, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Answer, PROTOCOLS, type Question, type Wanted } from './conntrack_peer.ts';
import { nativeError } from './probe.ts';

const PEER = fileURLToPath(new URL('./conntrack_peer.ts', import.meta.url));
/** Addresses that nobody has: what is sent to them is translated. */
const SERVICE = { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' };
/** One more address of the server. */
const ALIAS = '10.96.0.77';
/** What is dialled at them. */
const SERVICES: readonly Wanted[] = [
  { protocol: 'tcp', address: SERVICE.ipv4, port: 8080 },
  { protocol: 'udp', address: SERVICE.ipv4, port: 53 },
  { protocol: 'tcp', address: SERVICE.ipv6, port: 8080 },
  { protocol: 'udp', address: SERVICE.ipv6, port: 53 },
];

/** 16 bytes of an address in hexadecimal, IPv4 mapped. */
function hexOf(address: string): string {
  if (!isIPv6(address)) return `${'0'.repeat(20)}ffff${Buffer.from(address.split('.').map(Number)).toString('hex')}`;
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter((word) => word !== ''));
  const words = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  return words.map((word) => word.padStart(4, '0')).join('');
}

/** Rules that translate service addresses to a backend: what is forwarded, and what the router itself dials. */
function translations(server: { readonly ipv4: string; readonly ipv6: string }): string {
  const chain = (name: string, hook: string): string => `chain ${name} {
    type nat hook ${hook} priority -100
    ip daddr ${SERVICE.ipv4} tcp dport 8080 dnat ip to ${server.ipv4}:80
    ip daddr ${SERVICE.ipv4} tcp dport 8081 dnat ip to ${server.ipv4}:81
    ip daddr ${SERVICE.ipv4} udp dport 53 dnat ip to ${server.ipv4}:5353
    ip6 daddr ${SERVICE.ipv6} tcp dport 8080 dnat ip6 to [${server.ipv6}]:80
    ip6 daddr ${SERVICE.ipv6} udp dport 53 dnat ip6 to [${server.ipv6}]:5353
    ip daddr ${server.ipv4} tcp dport 8082 dnat ip to ${server.ipv4}:80
    ip daddr ${SERVICE.ipv4} tcp dport 8083 dnat ip to ${ALIAS}:8083
  }`;
  return `table inet lab {
    ${chain('forwarded', 'prerouting')}
    ${chain('own', 'output')}
    chain masked {
      type nat hook postrouting priority 100
      tcp dport 81 masquerade
    }
  }`;
}

describe('connection tracking', { skip: whyNot() ?? false }, () => {
  let client: Namespace;
  let router: Namespace;
  let clientAddress: { ipv4: string; ipv6: string };
  /** Address of the router as the server sees it. */
  let routerAddress: string;
  /** What is asked of the connections that the client and the router itself have opened to services, and others. */
  let forwarded: Question[];
  let own: Question[];
  let others: Question[];
  let server: { ipv4: string; ipv6: string };
  const programs: Program[] = [];
  const namespaces: Namespace[] = [];

  const peer = (mode: string, input: object): string[] => [process.execPath, PEER, mode, JSON.stringify(input)];
  const ask = (questions: readonly Question[], way: 'find' | 'findOriginal' = 'find'): Answer[] => {
    const [command = '', ...words] = peer(way, questions);
    return JSON.parse(router.run(command, ...words)) as Answer[];
  };

  async function begin(namespace: Namespace, mode: string, input: object): Promise<Program> {
    const program = start({ namespace }, peer(mode, input));
    programs.push(program);
    await eventually(`${mode} in ${namespace.name}`, () => {
      if (program.process.exitCode !== null) throw new Error(program.output());
      return program.output().includes('\n');
    });
    return program;
  }

  /** Opens connections and returns the question for each, and the program that holds them. */
  async function opened(
    from: Namespace,
    own: { ipv4: string; ipv6: string },
    wanted: readonly Wanted[],
  ): Promise<{ questions: Question[]; program: Program }> {
    const program = await begin(from, 'connect', wanted);
    const ports = JSON.parse(program.output()) as number[];
    const questions = wanted.map(({ protocol, address, port }, index) => ({
      protocol: PROTOCOLS[protocol],
      source: hexOf(isIPv6(address) ? own.ipv6 : own.ipv4),
      sourcePort: ports[index] as number,
      destination: hexOf(address),
      destinationPort: port,
    }));
    return { questions, program };
  }

  const at = (address: string, port: number): Answer => ({ returned: port, written: hexOf(address) });
  const nothing: Answer = { returned: 0, written: 'ff'.repeat(16) };
  const backends = (): Answer[] => [
    at(server.ipv4, 80),
    at(server.ipv4, 5353),
    at(server.ipv6, 80),
    at(server.ipv6, 5353),
  ];

  before(async () => {
    client = createNamespace();
    router = createNamespace();
    const serving = createNamespace();
    namespaces.push(client, router, serving);
    const [near, far] = [connect(client, router), connect(router, serving)];
    [clientAddress, routerAddress, server] = [near.a, far.a.ipv4, far.b];
    for (const [namespace, via] of [
      [client, near.b],
      [serving, far.a],
    ] as const) {
      namespace.run('ip', 'route', 'add', 'default', 'via', via.ipv4);
      namespace.run('ip', '-6', 'route', 'add', 'default', 'via', via.ipv6);
    }
    serving.run('ip', 'addr', 'add', `${ALIAS}/32`, 'dev', 'lo');
    // What the router itself dials is translated only if it has somewhere to go before.
    router.run('ip', 'route', 'add', 'default', 'via', server.ipv4);
    router.run('ip', '-6', 'route', 'add', 'default', 'via', server.ipv6);
    const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    router.run('sysctl', '-qw', ...settings, 'net.netfilter.nf_conntrack_tcp_timeout_close=1');
    router.run('nft', translations(server));
    await begin(serving, 'serve', { tcp: [80, 81, 8083], udp: [5353] });
    const more: Wanted[] = [
      { protocol: 'tcp', address: server.ipv4, port: 8082 },
      { protocol: 'tcp', address: SERVICE.ipv4, port: 8083 },
      { protocol: 'tcp', address: SERVICE.ipv4, port: 8081 },
      { protocol: 'tcp', address: server.ipv4, port: 80 },
      { protocol: 'tcp', address: server.ipv6, port: 80 },
      { protocol: 'tcp', address: server.ipv4, port: 81 },
    ];
    const [byClient, byRouter] = await Promise.all([
      opened(client, clientAddress, [...SERVICES, ...more]),
      opened(router, far.a, SERVICES),
    ]);
    [forwarded, own] = [byClient.questions.slice(0, SERVICES.length), byRouter.questions];
    others = byClient.questions.slice(SERVICES.length);
  });
  after(async () => {
    await Promise.all(programs.map((each) => each.stop()));
    for (const each of namespaces) each.remove();
  });

  it('tells the backend of what was forwarded and of what was dialled here: TCP and UDP, IPv4 and IPv6', () => {
    assert.deepEqual(ask([...forwarded, ...own]), [...backends(), ...backends()]);
  });

  it('tells a backend of the same address, of the same port, and behind a masked source', () => {
    assert.deepEqual(ask(others.slice(0, 3)), [at(server.ipv4, 80), at(ALIAS, 8083), at(server.ipv4, 81)]);
  });

  it('tells nothing of what is not translated, or only at its source', () => {
    assert.deepEqual(ask(others.slice(3)), [nothing, nothing, nothing]);
  });

  it('tells nothing of what is unknown, of the other protocol, or of the way back', () => {
    const [known] = forwarded as [Question];
    const back = {
      ...known,
      source: hexOf(server.ipv4),
      sourcePort: 80,
      destination: known.source,
      destinationPort: known.sourcePort,
    };
    const unknown = [
      { ...known, sourcePort: known.sourcePort ^ 1 },
      { ...known, protocol: PROTOCOLS.udp },
      { ...known, destination: hexOf(SERVICE.ipv6) },
      back,
    ];
    assert.deepEqual(ask([...unknown, known]), [nothing, nothing, nothing, nothing, at(server.ipv4, 80)]);
  });

  it('tells what the client dialled, as the server sees it', () => {
    /** As the server of a question's connection asks. */
    const back = (question: Question, backend: string, port: number, source = question.source): Question => ({
      ...question,
      source: hexOf(backend),
      sourcePort: port,
      destination: source,
      destinationPort: question.sourcePort,
    });
    const dialled = ({ source, destination, sourcePort, destinationPort }: Question): Answer => {
      const ports = Buffer.from(Uint16Array.of(sourcePort, destinationPort).buffer).toString('hex');
      return { returned: 1, written: source + destination + ports };
    };
    const [tcp, udp, tcp6] = forwarded as [Question, Question, Question];
    const [, , toService, direct, , masked] = others as [Question, Question, Question, Question, Question, Question];
    const mask = hexOf(routerAddress);
    const answers = ask(
      [
        back(tcp, server.ipv4, 80),
        back(udp, server.ipv4, 5353),
        back(tcp6, server.ipv6, 80),
        // Masked, and translated or not; the kernel keeps the port where it can.
        back(toService, server.ipv4, 81, mask),
        back(masked, server.ipv4, 81, mask),
        back(direct, server.ipv4, 80),
        // There is such an entry the other way round.
        tcp,
      ],
      'findOriginal',
    );
    const none: Answer = { returned: 0, written: 'ff'.repeat(36) };
    assert.deepEqual(answers, [...[tcp, udp, tcp6, toService, masked].map(dialled), none, none]);
  });

  it('tells nothing of what has gone', async () => {
    const { questions, program } = await opened(client, clientAddress, SERVICES.slice(0, 1));
    assert.deepEqual(ask(questions), backends().slice(0, 1));
    await program.stop();
    await eventually('the entry to go', () => ask(questions)[0]?.returned === 0, 10_000);
  });

  it('says what it could not ask', () => {
    const [known] = forwarded as [Question];
    // ICMP has no ports: EINVAL.
    assert.deepEqual(ask([{ ...known, protocol: 1 }]), [{ ...nothing, returned: -22 }]);
  });

  it('costs microseconds and leaves nothing behind', (test) => {
    const [known] = forwarded as [Question];
    for (const [what, question] of [
      ['an entry', known],
      ['no entry', { ...known, sourcePort: known.sourcePort ^ 1 }],
    ] as const) {
      const [command = '', ...words] = peer('cost', question);
      const { us, bytes } = JSON.parse(router.run(command, ...words)) as { us: number; bytes: number };
      test.diagnostic(`${what}: ${us.toFixed(2)} us of CPU, ${bytes.toFixed(1)} bytes of heap`);
      assert.ok(bytes < 4, `${bytes} bytes per call`);
    }
  });

  it('needs CAP_NET_ADMIN, and says so', () => {
    const script = `const { openConntrack } = await import('${new URL('../../collector/native/addon.ts', import.meta.url)}');
      try { openConntrack(); } catch ({ code, errno, nextStep }) { console.log(JSON.stringify({ code, errno, nextStep })); }`;
    const without = ['--bounding-set=-net_admin', '--inh-caps=-net_admin', process.execPath];
    const said = execFileSync('setpriv', [...without, '--input-type=module', '-e', script], { encoding: 'utf8' });
    const { code, errno, nextStep } = JSON.parse(said);
    assert.deepEqual([code, errno], ['FLOW_NATIVE_CONNTRACK', 1]);
    assert.match(nextStep, /CAP_NET_ADMIN/);
  });

  it('refuses arguments that are not what it takes', () => {
    const conntrack = openConntrack();
    const arena = new Uint8Array(68);
    type Call = Parameters<Conntrack['find']>;
    const good: Call = [6, arena, 0, 1, 16, 2, 32];
    const wrong: readonly [number, unknown][] = [
      [0, 256],
      [0, '6'],
      [1, new ArrayBuffer(68)],
      [1, new Uint8Array(47)],
      [2, 53],
      [2, -1],
      [3, 65536],
      [4, 4294967295],
      [5, 1.5],
      [6, 53],
      [6, undefined],
    ];
    assert.equal(conntrack.find(...good), 0);
    for (const [index, value] of wrong) {
      const call = good.with(index, value as never) as unknown as Call;
      nativeError('FLOW_NATIVE_ARGUMENT', () => conntrack.find(...call));
    }
    assert.equal(conntrack.findOriginal(...good), 0);
    nativeError('FLOW_NATIVE_ARGUMENT', () => conntrack.findOriginal(...(good.with(6, 33) as unknown as Call)));
    conntrack.close();
    nativeError('FLOW_NATIVE_CLOSED', () => conntrack.find(...good));
  });
});
