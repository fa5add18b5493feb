/** A process that writes records into a collector's rings (kit/produce.ts) at a rate, or as fast as they are read. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openRing } from '../../../collector/native/addon.ts';
import { noteProcess } from '../../../deploy/lab/registry.ts';
import { pinned } from './cpu.ts';
import { openProducer, type Produced, type ProducedKind, type ProducerOptions } from './produce.ts';

export interface ProducingOptions extends Omit<ProducerOptions, 'pid'> {
  /** Process id of the collector. */
  readonly collector: number;
  /** Cores that it runs on, such as `1`. */
  readonly cores: string;
  /** Records per second. Default: as fast as the rings stay at most `fill` full. */
  readonly rate?: number;
  /** Share of a ring that may wait to be read before it holds still, 0 to 1. Default: 1, which never waits: records are lost. */
  readonly fill?: number;
  /** Stops by itself after so many records. */
  readonly count?: number;
}

/** What was written. */
export interface ProducedInAll {
  /** Each got one record's number, from 0 on. */
  readonly count: number;
  /** From the first to the last, milliseconds. */
  readonly tookMs: number;
  readonly kinds: Record<ProducedKind, Produced>;
}

export interface Producing {
  /** Resolves when `count` are written, or after `stop`. */
  readonly ended: Promise<ProducedInAll>;
  /** Ends it, and resolves as `ended`. */
  stop(): Promise<ProducedInAll>;
}

const READY = 'producing';
/** Records that one run of the program writes at most: some 2 ms. */
const AT_ONCE = 4096;
const PAUSE_MS = 0.5;

/** Starts the process; resolves when it writes. */
export async function startProducing(options: ProducingOptions): Promise<Producing> {
  const [command = '', ...args] = pinned(options.cores, [process.execPath, fileURLToPath(import.meta.url)]);
  const { cgroupIds, ...rest } = options;
  const asked = JSON.stringify({ ...rest, pid: process.pid, cgroupIds: cgroupIds.map(String) });
  const child = spawn(command, [...args, asked], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.pid !== undefined) noteProcess(child.pid);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('FLOW_BENCH_PRODUCER: it ended before its time; what it said stands above');
    return value;
  };
  if ((await line()) !== READY) throw new Error('FLOW_BENCH_PRODUCER: it did not begin');
  const ended = line().then((text) => JSON.parse(text) as ProducedInAll);
  ended.catch(() => undefined);
  return {
    ended,
    stop() {
      child.stdin.end();
      return ended;
    },
  };
}

async function main(text: string): Promise<void> {
  const { cgroupIds, rate, fill = 1, count = Number.POSITIVE_INFINITY, ...options } = JSON.parse(text);
  const producer = openProducer({ ...options, cgroupIds: cgroupIds.map(BigInt) });
  // Only looked at: the collector is who reads them.
  const rings = ['records', 'request_records'].map((name) => openRing(producer.object, name));
  const full = (): number => Math.max(...rings.map((ring) => ring.waiting / ring.size));
  let stopped = false;
  process.stdin.resume().once('end', () => {
    stopped = true;
  });
  process.stdout.write(`${READY}\n`);
  const beganMs = performance.now();
  while (!stopped && producer.next < count) {
    const due = rate === undefined ? AT_ONCE : ((performance.now() - beganMs) / 1000) * rate - producer.next;
    const now = full() < fill ? Math.floor(Math.min(due, AT_ONCE, count - producer.next)) : 0;
    if (now > 0) producer.produce(now);
    // Also where it is behind its rate: this thread must hear of the end.
    await new Promise((resolve) => (now < AT_ONCE ? setTimeout(resolve, PAUSE_MS) : setImmediate(resolve)));
  }
  const told: ProducedInAll = { count: producer.next, tookMs: performance.now() - beganMs, kinds: producer.counts() };
  process.stdout.write(`${JSON.stringify(told)}\n`);
  producer.close();
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] as string);
