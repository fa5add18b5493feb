/**
 * The same service observed in two ways: by Flowspan at both ends, every request stored, and the way a mesh does it, by
 * two Envoy proxies in the path with JSON access logs in files (one worker each, no TLS: observing alone is compared).
 * The client has core 0. The service and all that observes share core 1, the store included, so that both ways have the
 * same budget; a further figure puts the store on core 0. Rates and processor time are measured saturated (64 connections
 * that never pause), latency at a steady rate of 1,900 requests a second from 16 connections that pause, a closed loop,
 * because at saturation latency tells of queues. What a log line or a row is missing is an error. Last line: requests per
 * second with Flowspan divided by those through the pair.
 */
import { residentBytes } from '../support/resident.ts';
import { type Observer, startObserver } from './kit/observer.ts';
import { type Asked, agrees, type Kind, nothingAsked, type Observed, observe, type Way } from './kit/observing.ts';
import { PAIRS } from './kit/pairs.ts';
import { type Aim, median, printResult, resultOf } from './kit/result.ts';
import { CLIENT_CORE, SERVICE_CORE, type Service, startService } from './kit/service.ts';
import { whyNoSidecar } from './peer-sidecars/sidecar.ts';
import { type SidecarPair, startSidecarPair } from './peer-sidecars/sidecar_pair.ts';

/** Some 1,900 requests a second: less than half of what the pair carries. */
const STEADY: Kind = { connections: 16, pauseMs: 8, seconds: 1, cores: CLIENT_CORE };
/** As much as there is room for. */
const SATURATING: Kind = { connections: 64, seconds: 2, cores: CLIENT_CORE };

/** What one way of observing measured: latency at the steady rate, the rest saturated. */
type Visit = Observed;

/** One round: nothing, the pair, Flowspan; resident bytes of what observes, the store left out. */
interface Round {
  readonly bare: Visit;
  readonly pair: Visit & { readonly resident: number };
  readonly flowspan: Visit & { readonly resident: number; readonly perSecondStoreElsewhere: number };
}

function fail(what: string, text: string): never {
  process.stderr.write(`FLOW_BENCH_${what}: ${text}\n`);
  process.exit(1);
}

async function visit(service: Service, way: Way): Promise<Visit> {
  const { p50Us, p99Us } = await observe(service, way, STEADY);
  return { ...(await observe(service, way, SATURATING)), p50Us, p99Us };
}

/** Flowspan's visit, on processes that are warm. */
async function visitFlowspan(service: Service, { flowspan, runOn }: Observer, way: Way): Promise<Round['flowspan']> {
  const visited = await visit(service, way);
  runOn({ collector: SERVICE_CORE, store: CLIENT_CORE });
  const { perSecond } = await observe(service, way, SATURATING);
  runOn({ collector: SERVICE_CORE, store: SERVICE_CORE });
  return { ...visited, resident: residentBytes(flowspan.pid('collector')), perSecondStoreElsewhere: perSecond };
}

/** Makes visits with one Flowspan, and compares its rows with what was asked. */
async function underFlowspan(service: Service, visits: number): Promise<Round['flowspan'][]> {
  const observer = await startObserver({ cgroup: service.watched });
  observer.runOn({ collector: SERVICE_CORE, store: SERVICE_CORE });
  const way = observer.way(service);
  await observer.warm(service, way, SATURATING);
  const made: Round['flowspan'][] = [];
  for (let each = 0; each < visits; each += 1) made.push(await visitFlowspan(service, observer, way));
  const { rows, lost } = await observer.counted();
  if (!agrees(rows, way.asked, 2)) {
    fail('ROWS', `${rows} rows of ${way.asked.requests} requests at two ends; lost: ${lost || 'nothing'}`);
  }
  await observer.stop();
  return made;
}

/** Two rounds, the second the other way round, with one Flowspan between; one if `count` is 1. */
async function rounds(service: Service, pair: SidecarPair, asked: Asked, count: number): Promise<Round[]> {
  const bare = (): Promise<Visit> => visit(service, { url: service.url, observers: [], asked: nothingAsked() });
  const through = async (): Promise<Round['pair']> => ({
    ...(await visit(service, { url: pair.url, observers: [pair.cgroup], asked })),
    resident: pair.residentBytes(),
  });
  const before = { bare: await bare(), pair: await through() };
  const [first, second] = await underFlowspan(service, count);
  const made = [{ ...before, flowspan: first! }];
  if (second !== undefined) {
    const after = await through();
    made.push({ pair: after, bare: await bare(), flowspan: second });
  }
  return made;
}

/** Processor time of a request that Flowspan adds to client and service, and takes itself without the store. */
const addedUs = ({ bare, flowspan }: Round): number =>
  flowspan.servedUs - bare.servedUs + (flowspan.observerUs[0] ?? Number.NaN);
const storeUs = ({ flowspan }: Round): number => flowspan.observerUs[1] ?? Number.NaN;
const pairUs = ({ pair }: Round): number => pair.observerUs[0] ?? Number.NaN;

function tell(round: Round, at: number): void {
  const { bare, pair, flowspan } = round;
  const each = (what: (visit: Visit) => number, digits = 0): string =>
    [bare, pair, flowspan].map((visited) => what(visited).toFixed(digits)).join(', ');
  process.stdout.write(
    `round ${at + 1} of ${PAIRS} (nothing, pair, Flowspan): ${each((visited) => visited.perSecond)} requests/s ` +
      `(${flowspan.perSecondStoreElsewhere.toFixed(0)} with the store elsewhere); p50 ${each((visited) => visited.p50Us)} us; ` +
      `p99 ${each((visited) => visited.p99Us)} us; client and service ${each((visited) => visited.servedUs, 1)} us per request; ` +
      `pair ${pairUs(round).toFixed(1)} us; collector ${flowspan.observerUs[0]?.toFixed(2)} us, store ${storeUs(round).toFixed(2)} us\n`,
  );
}

function report(all: readonly Round[]): void {
  const of = (what: (round: Round) => number): number[] => all.map(what);
  const typical = (what: (round: Round) => number): number => Number(median(of(what)).toPrecision(3));
  type Amount = (round: Round) => number;
  /** Prints Flowspan's amount divided by the pair's of the same round, or by `divisor`, and both amounts. */
  const print = (
    name: string,
    ours: Amount,
    pairs: Amount,
    unit: string,
    aim: Pick<Aim, 'goal' | 'better' | 'limit'>,
    divisor: Amount = pairs,
  ): void => {
    const peer = { name: 'two Envoys', value: typical(pairs), unit: `${unit} (Flowspan: ${typical(ours)})` };
    const shares = of((round) => ours(round) / divisor(round));
    printResult(resultOf(name, shares, { unit: "x the pair's", peer, ...aim }));
  };
  const added = (way: 'pair' | 'flowspan', percentile: 'p50Us' | 'p99Us') => (round: Round) =>
    round[way][percentile] - round.bare[percentile];
  const latency = { goal: 1 / 50, better: 'lower', limit: '0 (nothing observes)' } as const;
  for (const [name, percentile] of [
    ['peer-sidecars-p50', 'p50Us'],
    ['peer-sidecars-p99', 'p99Us'],
  ] as const) {
    const pairs = added('pair', percentile);
    // what a round adds is a difference of two noisy figures, no divisor by itself
    const middle = median(of(pairs));
    if (middle > 0) print(name, added('flowspan', percentile), pairs, 'us added', latency, () => middle);
    else process.stdout.write(`${name} is not measured: on so busy a machine not even the pair's share shows\n`);
  }
  const megabytes = (way: 'pair' | 'flowspan') => (round: Round) => round[way].resident / 1e6;
  print('peer-sidecars-memory', megabytes('flowspan'), megabytes('pair'), 'MB', { goal: 1, better: 'lower' });
  const cpu = { goal: 1 / 100, better: 'lower', limit: '0 (nothing observes)' } as const;
  const wholeUs = (round: Round): number => addedUs(round) + storeUs(round);
  print('peer-sidecars-cpu-with-store', wholeUs, pairUs, 'us per request', cpu);
  print('peer-sidecars-cpu', addedUs, pairUs, 'us per request', cpu);
  const pairRate = ({ pair }: Round): number => pair.perSecond;
  const limit = `${typical(({ bare, pair }) => bare.perSecond / pair.perSecond)} (nothing observes)`;
  const rate = { goal: 20, better: 'higher', limit } as const;
  const elsewhere = ({ flowspan }: Round): number => flowspan.perSecondStoreElsewhere;
  print('peer-sidecars-store-elsewhere', elsewhere, pairRate, 'requests/s', rate);
  print('peer-sidecars', ({ flowspan }) => flowspan.perSecond, pairRate, 'requests/s', rate);
}

const missing = whyNoSidecar();
if (missing !== undefined) fail('PEER', missing);
process.stdout.write(`core ${CLIENT_CORE}: client; core ${SERVICE_CORE}: service and what observes\n`);
const service = await startService();
const pair = await startSidecarPair(service);
const throughPair = nothingAsked();
await observe(service, { url: pair.url, observers: [], asked: throughPair }, SATURATING);
const all: Round[] = [];
while (all.length < PAIRS) {
  for (const round of await rounds(service, pair, throughPair, Math.min(2, PAIRS - all.length))) {
    tell(round, all.length);
    all.push(round);
  }
}
for (const lines of await pair.stop()) {
  if (!agrees(lines, throughPair, 1))
    fail('LOG', `${lines} lines in a sidecar's log of ${throughPair.requests} requests`);
}
await service.stop();
report(all);
process.exit(0);
