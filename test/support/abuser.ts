/**
 * A client that speaks badly. Started by tests inside a namespace: abuser.ts CASE HOST PORT SEED COUNT
 * Every case is bounded in time, and the same for the same seed; but `endless` goes on until it is killed.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Place, type Program, run, start } from '../../deploy/lab/program.ts';

/** What stands in the body of requests: must never be seen in a row. */
export const BODY_SECRET = 'hunter2-in-a-body';

const ANSWER_WAIT_MS = 150;
const FILE = fileURLToPath(import.meta.url);

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Chance = () => number;
const whole = (chance: Chance, below: number): number => Math.floor(chance() * below);
const bytes = (chance: Chance, length: number): Buffer => Buffer.from(Array.from({ length }, () => whole(chance, 256)));
const pick = <T>(chance: Chance, from: readonly T[]): T => from[whole(chance, from.length)] as T;

const GOOD = 'GET /good HTTP/1.1\r\nHost: abused\r\n\r\n';

/** Requests that a reader must not believe, or must read with care. */
const ABSURD: readonly string[] = [
  'GET /no-cr HTTP/1.1\nHost: abused\n\n',
  'GET /nul\0byte HTTP/1.1\r\nHost: abused\r\n\r\n',
  'GET /nul-header HTTP/1.1\r\nHost: abu\0sed\r\n\r\n',
  `GET /negative HTTP/1.1\r\nHost: abused\r\nContent-Length: -5\r\n\r\n${BODY_SECRET}`,
  `POST /twice HTTP/1.1\r\nHost: abused\r\nContent-Length: 3\r\nContent-Length: 17\r\n\r\n${BODY_SECRET}`,
  `POST /both HTTP/1.1\r\nHost: abused\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${BODY_SECRET}`,
  `POST /huge HTTP/1.1\r\nHost: abused\r\nContent-Length: 99999999999999999999999\r\n\r\n${BODY_SECRET}`,
  `POST /chunk HTTP/1.1\r\nHost: abused\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${BODY_SECRET}`,
  `POST /badchunk HTTP/1.1\r\nHost: abused\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${BODY_SECRET}`,
  'GET /folded HTTP/1.1\r\nHost: abused\r\nX-A: one\r\n two\r\n\r\n',
  'GET  /two-spaces  HTTP/1.1\r\nHost: abused\r\n\r\n',
  'GET /version HTTP/9.9\r\nHost: abused\r\n\r\n',
  'GET /nohost HTTP/1.1\r\n\r\n',
  'get /lower HTTP/1.1\r\nHost: abused\r\n\r\n',
  `${'M'.repeat(200)} /longmethod HTTP/1.1\r\nHost: abused\r\n\r\n`,
  `GET /${'a'.repeat(7_000)} HTTP/1.1\r\nHost: abused\r\n\r\n`,
  `GET /colon HTTP/1.1\r\nHost abused\r\n\r\n`,
  `GET /name HTTP/1.1\r\nHost: abused\r\n: empty\r\n\r\n`,
  'GET http://user:hunter2@abused/absolute HTTP/1.1\r\nHost: abused\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\r\n\r\n\r\nGET /blank-lines HTTP/1.1\r\nHost: abused\r\n\r\n',
];

/** Bytes to send, in pieces, on one connection. */
const CASES: Readonly<Record<string, (chance: Chance, index: number) => (string | Buffer)[]>> = {
  random: (chance) => Array.from({ length: 1 + whole(chance, 8) }, () => bytes(chance, 1 + whole(chance, 3_000))),
  almost: (chance) => {
    const damaged = Buffer.from(GOOD.repeat(3));
    for (let flips = 0; flips < 4; flips += 1) damaged[whole(chance, damaged.length)] = whole(chance, 256);
    return [damaged];
  },
  half: (chance) => [GOOD.slice(0, 1 + whole(chance, GOOD.length - 1))],
  cutbody: (chance) => [
    `POST /cutbody HTTP/1.1\r\nHost: abused\r\nContent-Length: 5000\r\n\r\n`,
    BODY_SECRET.slice(whole(chance, 5)),
  ],
  binary: (chance) => [
    pick(chance, [
      Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'),
      Buffer.from('16030100c8010000c40303', 'hex'),
      Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
      Buffer.from('0000000804d2162f', 'hex'),
      Buffer.from('GETX\x00\x01\x02'),
      Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
    ]),
    bytes(chance, whole(chance, 500)),
  ],
  absurd: (_chance, index) => [ABSURD[index % ABSURD.length] as string],
  megabyte: () => ['GET /megabyte HTTP/1.1\r\nHost: abused\r\n', `X-Big: ${'z'.repeat(1_000_000)}\r\n`, '\r\n'],
  dribble: () => [...'GET /dribble HTTP/1.1\r\nHost: abused\r\n\r\n'],
  pipeline: () => [`GET /pipeline HTTP/1.1\r\nHost: abused\r\n\r\n`.repeat(300)],
};

async function speak(socket: Socket, pieces: readonly (string | Buffer)[]): Promise<void> {
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece);
    if (pieces.length > 10) await sleep(1);
  }
}

/** Makes `count` connections of a case, 20 at a time. */
async function abuse(name: string, host: string, port: number, seed: number, count: number): Promise<void> {
  const chance = random(seed);
  const make = CASES[name];
  if (make === undefined) throw new Error(`there is no case ${name}`);
  for (let index = 0; index < count; index += 20) {
    const batch = Array.from({ length: Math.min(20, count - index) }, async (_, within) => {
      const pieces = make(chance, index + within);
      const socket = connect({ host, port, noDelay: true });
      socket.on('error', () => {}).resume();
      await Promise.race([speak(socket, pieces).catch(() => {}), sleep(2_000)]);
      await Promise.race([once(socket, 'close').catch(() => {}), sleep(ANSWER_WAIT_MS)]);
      if (index % 40 === 0) socket.resetAndDestroy();
      else socket.destroy();
    });
    await Promise.all(batch);
  }
}

/** Connections that never end: a header that goes on, a body that goes on, and nothing at all after half a request. */
async function endless(host: string, port: number, count: number): Promise<never> {
  const kinds = [
    { begin: 'GET /endless/header HTTP/1.1\r\nHost: abused\r\n', more: 'X-More: and more\r\n' },
    {
      begin: 'POST /endless/body HTTP/1.1\r\nHost: abused\r\nTransfer-Encoding: chunked\r\n\r\n',
      more: `11\r\n${BODY_SECRET}\r\n`,
    },
    { begin: 'GET /endless/half HTT', more: '' },
  ];
  const sockets = Array.from({ length: count }, (_, index) => {
    const { begin, more } = kinds[index % kinds.length] as (typeof kinds)[number];
    const socket = connect({ host, port, noDelay: true }, () => socket.write(begin));
    socket.on('error', () => {}).resume();
    return { socket, more };
  });
  for (;;) {
    await sleep(100);
    for (const { socket, more } of sockets) if (more !== '' && socket.writable) socket.write(more);
  }
}

/** Starts connections that never end. */
export function startEndless(place: Place, host: string, port: number, count: number): Program {
  return start(place, [process.execPath, FILE, 'endless', host, String(port), '0', String(count)]);
}

/** The names of the cases. */
export const ABUSES: readonly string[] = Object.keys(CASES);

/** Runs a case to its end. */
export function runAbuser(
  place: Place,
  name: string,
  host: string,
  port: number,
  seed: number,
  count: number,
): Promise<string> {
  return run(place, [process.execPath, FILE, name, host, String(port), String(seed), String(count)]);
}

if (import.meta.main) {
  const [name = '', host = '', port, seed, count] = process.argv.slice(2);
  if (name === 'endless') await endless(host, Number(port), Number(count));
  await abuse(name, host, Number(port), Number(seed), Number(count));
}
