/**
 * The same service observed at its end by Flowspan, every request stored, and by tshark, whose HTTP dissector writes JSON
 * to a file. The client has core 0; the service and what observes, Flowspan's store included, share core 1. Each is met
 * at a steady rate that tshark carries (1,900 requests a second from 16 connections that pause 8 ms) and by a client that
 * never pauses. Prints the share of requests that Flowspan saw of the latter, beside tshark's; then Flowspan's processor
 * time per request at the steady rate: with the store; divided by a tshark's that writes eleven fields only; and (last
 * line) divided by that of one that writes what it dissected.
 */
import { type Observer, startObserver } from './kit/observer.ts';
import { type Kind, nothingAsked, type Observed, observe } from './kit/observing.ts';
import { PAIRS } from './kit/pairs.ts';
import { median, printResult, resultOf } from './kit/result.ts';
import { CLIENT_CORE, SERVICE_CORE, type Service, startService } from './kit/service.ts';
import { ROW_FIELDS, startTshark } from './peer-capture/tshark.ts';

const STEADY: Kind = { connections: 16, pauseMs: 8, seconds: 1, cores: CLIENT_CORE };
const SATURATING: Kind = { connections: 64, seconds: 1, cores: CLIENT_CORE };

/** What an observer saw of a load; `share` is at most 1. */
interface Seen extends Observed {
  readonly share: number;
  readonly dropped: number;
}

/** What an observer saw of both loads. */
interface Both {
  readonly steady: Seen;
  readonly saturated: Seen;
}

interface Round {
  readonly bare: Observed;
  readonly tshark: Both & { readonly fields: Seen };
  readonly flowspan: Both;
}

const bare = (service: Service): Promise<Observed> =>
  observe(service, { url: service.url, observers: [], asked: nothingAsked() }, STEADY);

async function byTshark(service: Service, kind: Kind, fields: readonly string[] = []): Promise<Seen> {
  const { cgroup, settled, stop } = await startTshark(service.server, fields);
  const way = { url: service.url, observers: [cgroup], asked: nothingAsked(), settled, fallsBehind: true };
  const observed = await observe(service, way, kind);
  const { requests, dropped } = await stop();
  return { ...observed, share: Math.min(1, requests / observed.requests), dropped };
}

async function byFlowspan(service: Service, observer: Observer, kind: Kind): Promise<Seen> {
  const before = await observer.counted();
  const observed = await observe(service, observer.way(service), kind);
  const { rows } = await observer.counted();
  return { ...observed, share: Math.min(1, (rows - before.rows) / observed.requests), dropped: 0 };
}

const throughTshark = async (service: Service): Promise<Round['tshark']> => ({
  steady: await byTshark(service, STEADY),
  saturated: await byTshark(service, SATURATING),
  fields: await byTshark(service, STEADY, ROW_FIELDS),
});

/** Both loads, as often as asked for, with one Flowspan. */
async function underFlowspan(service: Service, times: number): Promise<Both[]> {
  const observer = await startObserver({ cgroup: service.server.cgroup });
  observer.runOn({ collector: SERVICE_CORE, store: SERVICE_CORE });
  await observer.warm(service, observer.way(service), SATURATING);
  const seen: Both[] = [];
  for (let each = 0; each < times; each += 1) {
    seen.push({
      steady: await byFlowspan(service, observer, { ...STEADY, seconds: 2 }),
      saturated: await byFlowspan(service, observer, SATURATING),
    });
  }
  await observer.stop();
  return seen;
}

/** Two rounds, the second the other way round, with one Flowspan between; one if `count` is 1. */
async function rounds(service: Service, count: number): Promise<Round[]> {
  const before = { bare: await bare(service), tshark: await throughTshark(service) };
  const [first, second] = await underFlowspan(service, count);
  const made = [{ ...before, flowspan: first! }];
  if (second !== undefined) {
    const tshark = await throughTshark(service);
    made.push({ bare: await bare(service), tshark, flowspan: second });
  }
  return made;
}

const tsharkUs = ({ tshark }: Round): number => tshark.steady.observerUs[0] ?? Number.NaN;
const fieldsUs = ({ tshark }: Round): number => tshark.fields.observerUs[0] ?? Number.NaN;
const storeUs = ({ flowspan }: Round): number => flowspan.steady.observerUs[1] ?? Number.NaN;
/** What Flowspan adds to client and service, and takes itself without the store, microseconds per request. */
const flowspanUs = ({ bare: { servedUs }, flowspan: { steady } }: Round): number =>
  steady.servedUs - servedUs + (steady.observerUs[0] ?? Number.NaN);

function tell(round: Round, at: number): void {
  const { tshark, flowspan } = round;
  const saw = (name: string, { steady, saturated }: Both): string =>
    `${name} saw ${(100 * steady.share).toFixed(1)} % of ${steady.perSecond.toFixed(0)}/s, ` +
    `${(100 * saturated.share).toFixed(1)} % of ${saturated.perSecond.toFixed(0)}/s (it says ${saturated.dropped} packets dropped)`;
  process.stdout.write(
    `round ${at + 1} of ${PAIRS}: ${saw('tshark', tshark)}; ${saw('Flowspan', flowspan)}; per request: ` +
      `tshark ${tsharkUs(round).toFixed(1)} us (eleven fields only ${fieldsUs(round).toFixed(1)}), Flowspan ${flowspanUs(round).toFixed(2)} us ` +
      `(collector ${flowspan.steady.observerUs[0]?.toFixed(2)}), store ${storeUs(round).toFixed(2)} us\n`,
  );
}

function report(all: readonly Round[]): void {
  const of = (what: (round: Round) => number): number[] => all.map(what);
  const typical = (what: (round: Round) => number): number => Number(median(of(what)).toPrecision(3));
  printResult(
    resultOf(
      'peer-capture-seen',
      of(({ flowspan }) => flowspan.saturated.share),
      {
        unit: 'of all requests',
        goal: 1,
        better: 'higher',
        peer: { name: 'tshark', value: typical(({ tshark }) => tshark.saturated.share) },
        limit: '1',
      },
    ),
  );
  const print = (name: string, what: (round: Round) => number, peer: string, peerUs: (round: Round) => number): void =>
    printResult(
      resultOf(
        name,
        of((round) => what(round) / peerUs(round)),
        {
          unit: "x tshark's",
          goal: 1 / 20,
          better: 'lower',
          peer: { name: peer, value: typical(peerUs), unit: `us per request (Flowspan: ${typical(what)})` },
          limit: '0 (nothing observes)',
        },
      ),
    );
  print('peer-capture-with-store', (round) => flowspanUs(round) + storeUs(round), 'tshark', tsharkUs);
  print('peer-capture-fields', flowspanUs, 'tshark, eleven fields', fieldsUs);
  print('peer-capture', flowspanUs, 'tshark', tsharkUs);
}

process.stdout.write(`core ${CLIENT_CORE}: client; core ${SERVICE_CORE}: service and what observes\n`);
const service = await startService();
await observe(service, { url: service.url, observers: [], asked: nothingAsked() }, SATURATING);
const all: Round[] = [];
while (all.length < PAIRS) {
  for (const round of await rounds(service, Math.min(2, PAIRS - all.length))) {
    tell(round, all.length);
    all.push(round);
  }
}
await service.stop();
report(all);
process.exit(0);
