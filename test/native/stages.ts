/**
 * Goes to a stage of a handle's life and ends there; lifetime.test.ts runs it in a process of its own.
 * Usage: node test/native/stages.ts STAGE ENDING. Prints the ids of the programs it had loaded.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  type BpfObject,
  enableStats,
  openConntrack,
  openKernelTypes,
  openRing,
  type Ring,
} from '../../collector/native/addon.ts';
import { walk } from '../../collector/src/attach/walk.ts';
import { FORCE_WAKEUP, openProbe, u32, writeRecords } from './probe.ts';

/** Exit code of endings that choose one. */
export const EXIT_CODE = 3;

function loaded(): BpfObject {
  const object = openProbe();
  object.setGlobal('walk_delay', u32(2000));
  object.load();
  writeSync(1, `${object.programStats().map(({ id }) => id)}\n`);
  return object;
}

function watched(object: BpfObject): Ring {
  const ring = openRing(object, 'ring');
  ring.onReadable(() => ring.drain(Buffer.alloc(65536)));
  ring.unref();
  return ring;
}

/** Each leaves its handles as they are, open or half closed. */
export const STAGES = {
  imported: () => {},
  opened: () => openProbe(),
  'load failed': () => {
    const object = openProbe();
    object.setAutoload('rejected', true);
    try {
      object.load();
    } catch {}
  },
  loaded: () => loaded().map('numbers'),
  attached: () => loaded().attach('on_system_call'),
  'link closed': () => loaded().attach('on_system_call').close(),
  'ring open': () => openRing(loaded(), 'ring'),
  watching: () => {
    const object = loaded();
    watched(object);
    writeRecords(object, { count: 100, length: 32, flags: FORCE_WAKEUP });
  },
  'watch just closed': () => watched(loaded()).close(),
  'watch replaced': () => {
    const ring = watched(loaded());
    ring.onReadable(() => {});
    ring.onReadable(() => {});
    ring.unref();
  },
  'in the callback': async () => {
    const object = loaded();
    const ring = openRing(object, 'ring');
    writeRecords(object, { count: 100, length: 32, flags: FORCE_WAKEUP });
    await new Promise<void>((resolve) => ring.onReadable(resolve));
    ring.unref();
  },
  iterating: () => {
    const object = loaded();
    const keys = new Uint32Array(20_000).map((_, index) => index);
    object.map('numbers').updateBatch(new Uint8Array(keys.buffer), Buffer.alloc(keys.length * 8));
    const link = object.attachIterator('walk_numbers', 'numbers');
    for (let i = 0; i < 3; i++) void walk(object, link).catch(() => {});
  },
  'statistics and types': () => {
    enableStats();
    openConntrack();
    openKernelTypes().enumValues('skb_drop_reason');
  },
  closed: () => {
    const object = loaded();
    object.attach('on_system_call');
    watched(object);
    object.close();
    object.close();
  },
  'closed and opened again': () => {
    loaded().close();
    loaded().attach('on_system_call');
  },
  collected: async () => {
    for (let i = 0; i < 3; i++) loaded().attach('on_system_call');
    await sleep(1);
    globalThis.gc?.();
    await sleep(1);
  },
} as const satisfies Record<string, () => unknown>;

async function main(stage: keyof typeof STAGES, ending: string): Promise<void> {
  if (isMainThread && ending.startsWith('worker')) {
    const worker = new Worker(import.meta.filename, { argv: [stage, ending], workerData: ending });
    worker.on('error', () => {});
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    await new Promise((resolve) => worker.once('message', resolve));
    if (ending === 'worker terminated') await worker.terminate();
    else if (ending === 'worker outlived by nobody') process.exit(EXIT_CODE);
    else await gone;
    // The main thread loads the addon after the worker has gone, or had it all along: both must go on working.
    loaded().close();
    return;
  }
  await STAGES[stage]();
  if (workerData !== null) parentPort?.postMessage('there');
  switch (ending) {
    case 'exit':
    case 'worker exits':
      process.exit(EXIT_CODE);
      break;
    case 'throw':
    case 'worker throws':
      throw new Error('thrown on purpose');
    case 'killed':
      process.kill(process.pid, 'SIGKILL');
      break;
    case 'worker terminated':
    case 'worker outlived by nobody':
      await sleep(5_000);
  }
}

const [stage, ending] = process.argv.slice(2);
if (import.meta.main || workerData !== null) await main(stage as keyof typeof STAGES, ending ?? '');
