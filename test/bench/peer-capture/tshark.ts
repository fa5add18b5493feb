/** tshark as an observer of HTTP: what it captures on one interface, dissected to one line of JSON per message. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { cpuTime, pinned } from '../kit/cpu.ts';
import { SERVICE_CORE, type Site } from '../kit/service.ts';

/** What a row of `requests` has and tshark knows too. */
export const ROW_FIELDS = [
  'frame.time_epoch',
  'ip.src',
  'tcp.srcport',
  'ip.dst',
  'tcp.dstport',
  'http.request.method',
  'http.request.uri',
  'http.host',
  'http.response.code',
  'http.time',
  'http.content_length',
];
/** As large as Flowspan's ring of requests, MiB. */
const BUFFER_MIB = 16;
/** It is taken for done when it used less than a tenth of a core for so long, milliseconds. */
const IDLE_MS = 400;
/** Longest it may go on after the load, milliseconds. */
const LONGEST_MS = 2_000;

/** A running tshark. */
export interface Tshark {
  readonly cgroup: Cgroup;
  /** Resolves when it has nothing more to do, or was given long enough. */
  settled(): Promise<void>;
  /** Ends it. @returns requests it wrote, and packets that it says it lost */
  stop(): Promise<{ readonly requests: number; readonly dropped: number }>;
}

/**
 * Starts tshark on a place's end of its veth pair, on the service's core, and resolves when it captures.
 * @param fields what to write of each message; none: all that was dissected
 */
export async function startTshark({ namespace }: Site, fields: readonly string[]): Promise<Tshark> {
  const cgroup = createCgroup();
  const output = join(temporaryFolder(), 'requests.json');
  const device = /^(\S+?)@/m.exec(namespace.run('ip', '-br', 'link', 'show', 'type', 'veth'))?.[1] ?? '';
  const words = ['tshark', '-n', '-q', '-i', device, '-B', String(BUFFER_MIB), '-f', 'tcp port 80', '-Y', 'http'];
  const command = [...words, '-T', 'ek', ...fields.flatMap((field) => ['-e', field])];
  const into = ['sh', '-c', 'exec "$@" > "$0"', output];
  const program = start({ namespace, cgroup }, [...into, ...pinned(SERVICE_CORE, command)]);
  await eventually('tshark to capture', () => program.output().includes('Capture started'));
  return {
    cgroup,
    settled: async () => {
      const end = performance.now() + LONGEST_MS;
      for (let before = cpuTime(cgroup).total; performance.now() < end; ) {
        await sleep(IDLE_MS);
        const now = cpuTime(cgroup).total;
        if (now - before < IDLE_MS * 100) return;
        before = now;
      }
    },
    stop: async () => {
      await program.stop('SIGINT');
      cgroup.remove();
      let requests = 0;
      for await (const line of createInterface({ input: createReadStream(output) })) {
        requests += line.includes('http_request_method"') ? 1 : 0;
      }
      return { requests, dropped: Number(/(\d+) packets? dropped/.exec(program.output())?.[1] ?? 0) };
    },
  };
}
