/**
 * One HTTP rule in front of nginx, enforced in four ways: not at all; by the kernel at the service's device (loaded here as
 * the collector loads it, with the policies' other programs; no collector and no store run); by haproxy in the path; by
 * the server's of two Envoys, as a mesh has it (one worker each, no TLS, no log). Each way is first seen to refuse what the
 * rule refuses. The client has core 0; the service and what enforces share core 1. Rate and processor time are measured
 * saturated (64 connections that never pause), latency at a steady rate (16 that pause), in turns, the order turned
 * round from round to round. What the kernel does for packets is in the processor time of client and service. Last line:
 * requests per second with the rule in the kernel divided by those without any. PAIRS by environment.
 */
import { run } from '../../deploy/lab/program.ts';
import { type Kind, nothingAsked, type Observed, observe } from './kit/observing.ts';
import { PAIRS } from './kit/pairs.ts';
import { type Aim, median, printResult, resultOf } from './kit/result.ts';
import { CLIENT_CORE, SERVICE_CORE, SERVICE_PATH, startService } from './kit/service.ts';
import { whyNoSidecar } from './peer-sidecars/sidecar.ts';
import { startSidecarPair } from './peer-sidecars/sidecar_pair.ts';
import { startHaproxy } from './policy-l7/haproxy.ts';
import { KernelPolicy } from './policy-l7/kernel.ts';
import { asEnvoyFilter, REFUSED_PATH } from './policy-l7/rule.ts';

const STEADY: Kind = { connections: 16, pauseMs: 8, seconds: Number(process.env.SECONDS ?? 2), cores: CLIENT_CORE };
const SATURATING: Kind = { connections: 64, seconds: Number(process.env.SECONDS ?? 2), cores: CLIENT_CORE };
const SERVICE_PORT = 80;

const NAMES = ['none', 'kernel', 'haproxy', 'envoys'] as const;
type Name = (typeof NAMES)[number];
type Round = Readonly<Record<Name, Observed>>;

function fail(what: string, text: string): never {
  process.stderr.write(`FLOW_BENCH_${what}: ${text}\n`);
  process.exit(1);
}

const missing = whyNoSidecar();
if (missing !== undefined) fail('PEER', missing);
process.stdout.write(`core ${CLIENT_CORE}: client; core ${SERVICE_CORE}: service and what enforces\n`);
const service = await startService();
const [kernel, haproxy, envoys] = [
  new KernelPolicy(service, SERVICE_PORT),
  await startHaproxy(service),
  await startSidecarPair(service, { logs: false, filters: [asEnvoyFilter] }),
];
const ways = {
  none: { url: service.url, observers: [] },
  kernel: { url: service.url, observers: [] },
  haproxy: { url: haproxy.url, observers: [haproxy.cgroup] },
  envoys: { url: envoys.url, observers: [envoys.cgroup] },
} as const;

async function statusOf(url: string): Promise<string> {
  const words = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-m', '5', url];
  return run(service.client, words);
}

/** One way in force, measured. */
async function visit(name: Name): Promise<Observed> {
  const way = { ...ways[name], asked: nothingAsked() };
  if (name === 'kernel') kernel.on();
  try {
    const [refused, allowed] = [await statusOf(way.url.replace(SERVICE_PATH, REFUSED_PATH)), await statusOf(way.url)];
    if (allowed !== '200' || (refused === '403') !== (name !== 'none'))
      fail('RULE', `${name}: what is allowed is answered with ${allowed}, what is refused with ${refused}`);
    const { p50Us, p99Us } = await observe(service, way, STEADY);
    return { ...(await observe(service, way, SATURATING)), p50Us, p99Us };
  } finally {
    if (name === 'kernel') kernel.off();
  }
}

const wholeUs = ({ servedUs, observerUs }: Observed): number => observerUs.reduce((sum, each) => sum + each, servedUs);

const rounds: Round[] = [];
for (let at = 0; at < PAIRS; at += 1) {
  const visited: Partial<Record<Name, Observed>> = {};
  for (const name of at % 2 === 0 ? NAMES : NAMES.toReversed()) visited[name] = await visit(name);
  const round = visited as Round;
  rounds.push(round);
  const each = (what: (one: Observed) => number, digits = 0): string =>
    NAMES.map((name) => what(round[name]).toFixed(digits)).join(', ');
  process.stdout.write(
    `round ${at + 1} of ${PAIRS} (${NAMES.join(', ')}): ${each(({ perSecond }) => perSecond)} requests/s; ` +
      `p50 ${each(({ p50Us }) => p50Us)} us; p99 ${each(({ p99Us }) => p99Us)} us; ${each(wholeUs, 1)} us of CPU per request\n`,
  );
}
const megabytes = {
  kernel: kernel.mapBytes() / 1e6,
  haproxy: haproxy.residentBytes() / 1e6,
  envoys: envoys.residentBytes() / 1e6,
};
kernel.close();
await haproxy.stop();
await envoys.stop();
await service.stop();

const typical = (what: (round: Round) => number): number => Number(median(rounds.map(what)).toPrecision(3));

/** Prints the kernel's figure, with haproxy's as the peer and the Envoys' beside it. */
function print(
  name: string,
  of: (way: Exclude<Name, 'none'>) => (round: Round) => number,
  aim: Omit<Aim, 'peer'>,
): void {
  const peer = {
    name: 'haproxy',
    value: typical(of('haproxy')),
    unit: `${aim.unit} (two Envoys: ${typical(of('envoys'))})`,
  };
  printResult(resultOf(name, rounds.map(of('kernel')), { ...aim, peer }));
}
const added = (what: (one: Observed) => number) => (way: Name) => (round: Round) => what(round[way]) - what(round.none);
const nothing = { better: 'lower', limit: '0 (nothing is enforced)' } as const;
print(
  'policy-l7-p50',
  added(({ p50Us }) => p50Us),
  { unit: 'us added', goal: 5, ...nothing },
);
print(
  'policy-l7-p99',
  added(({ p99Us }) => p99Us),
  { unit: 'us added', goal: 20, ...nothing },
);
print('policy-l7-cpu', added(wholeUs), { unit: 'us of CPU added per request', goal: 1, ...nothing });
print('policy-l7-by-cpu', (way) => (round) => wholeUs(round.none) / wholeUs(round[way]), {
  unit: 'x the requests a second of CPU without a rule',
  goal: 0.95,
  better: 'higher',
  limit: '1 (nothing is enforced)',
});
print('policy-l7-memory', (way) => () => megabytes[way], {
  unit: 'MB',
  goal: 64,
  better: 'lower',
});
print('policy-l7', (way) => (round) => round[way].perSecond / round.none.perSecond, {
  unit: 'x the requests/s without a rule',
  goal: 0.95,
  better: 'higher',
  limit: '1 (nothing is enforced)',
});
process.exit(0);
