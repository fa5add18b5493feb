/** The store's HTTP front under requests of any bytes: it answers or closes, stays alive and bounded, and says nothing of its inside. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../deploy/lab/wait.ts';
import { randomOf } from '../bpf/http/exchange.ts';
import { type Flowspan, startFlowspan, whyNot } from '../support/flowspan.ts';
import { residentBytes } from '../support/resident.ts';
import { corpus } from './support/corpus.ts';
import { mutated } from './support/mutate.ts';

const INPUTS = Number(process.env.FLOWSPAN_FUZZ_INPUTS ?? 600);
const SEED = Number(process.env.FLOWSPAN_FUZZ_SEED ?? 1);
/** Connections at once. */
const WIDTH = 12;
/** How long a client waits for the beginning of an answer before it ends: to what is not whole there comes none. */
const ANSWER_MS = 250;
/** The same, where an answer is demanded. */
const SURE_ANSWER_MS = 10_000;
/** Within which a connection whose client has said all is answered and closed; far above what is needed. */
const CLOSED_MS = 20_000;
const MEMORY_GROWTH_BYTES = 256 * 1024 ** 2;
const TABLES = "SELECT database, name, total_rows FROM system.tables WHERE database != 'system' ORDER BY ALL";
/** File names and frames of the code. */
const INSIDE = /\.ts:\d+|node:internal|TypeError|RangeError|ReferenceError/;

/** Asks for a tunnel. */
const UNANSWERED: readonly string[] = ['connect'];
const ENTRIES = [...corpus('store'), ...corpus('http')];

describe("the store's HTTP front", { skip: whyNot() ?? false }, () => {
  let flowspan: Flowspan;
  let pid: number;
  let tables: unknown[];
  /** How often which status was answered. */
  const answers = new Map<string, number>();
  let atFirst: { memory: number; sockets: number };

  const memory = (): number => residentBytes(pid);
  const sockets = (): number =>
    readdirSync(`/proc/${pid}/fd`).filter((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
      } catch {
        return false; // closed meanwhile
      }
    }).length;

  /** Says these bytes, waits for an answer, and says that there is no more; resolves once the store has closed. */
  async function said(name: string, bytes: Buffer, answerMs: number): Promise<Buffer> {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(flowspan.storeUrl).port) });
    const answer: Buffer[] = [];
    const begun = new Promise<void>((resolve) =>
      socket.on('data', (chunk: Buffer) => {
        answer.push(chunk);
        resolve();
      }),
    );
    socket.on('error', () => undefined);
    const closed = new Promise<true>((resolve) => socket.once('close', () => resolve(true)));
    socket.write(bytes);
    await Promise.race([begun, closed, sleep(answerMs, undefined, { ref: false })]);
    socket.end();
    const inTime = await Promise.race([closed, sleep(CLOSED_MS, false, { ref: false })]);
    socket.destroy();
    assert.ok(inTime, `${name}: not closed after ${CLOSED_MS} ms: ${bytes.toString('base64')}`);
    return Buffer.concat(answer);
  }

  /** Resolves with the status, or `closed`. */
  async function judge(name: string, bytes: Buffer, answerMs = ANSWER_MS): Promise<string> {
    const answer = (await said(name, bytes, answerMs)).toString('latin1');
    const told = `${name}: ${bytes.subarray(0, 4000).toString('base64')}\n${answer.slice(0, 1000)}`;
    assert.match(answer, /^(?:HTTP\/1\.1 [1-5][0-9]{2} |$)/, told);
    assert.doesNotMatch(answer, INSIDE, told);
    const status = answer.slice(9, 12) || 'closed';
    answers.set(status, (answers.get(status) ?? 0) + 1);
    return status;
  }

  async function sideBySide(attempts: (() => Promise<unknown>)[]): Promise<void> {
    const waiting = [...attempts];
    await Promise.all(
      Array.from({ length: WIDTH }, async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
      }),
    );
  }

  before(async () => {
    flowspan = await startFlowspan({ processes: ['store'] });
    pid = flowspan.pid('store');
    tables = await flowspan.query(TABLES);
    atFirst = { memory: memory(), sockets: sockets() };
  });
  after(() => flowspan?.stop());

  it('answers every request of the corpus, and closes where there is none', async () => {
    const unanswered: string[] = [];
    await sideBySide([
      ...corpus('store').map(({ name, bytes }) => async () => {
        if ((await judge(name, bytes, SURE_ANSWER_MS)) === 'closed') unanswered.push(name);
      }),
      ...corpus('http').map(
        ({ name, bytes }) =>
          () =>
            judge(name, bytes),
      ),
    ]);
    assert.deepEqual(unanswered, UNANSWERED);
  });

  it(`answers or closes on ${INPUTS} inputs made from it`, () => {
    const inputs = ENTRIES.map(({ bytes }) => bytes);
    return sideBySide(
      Array.from(
        { length: INPUTS },
        (_, index) => () => judge(`input ${index}`, mutated(randomOf(SEED * 1_000_000 + index), inputs)),
      ),
    );
  });

  it('lives, answers as before, holds no connection and no memory, and has logged no defect', async (t) => {
    t.diagnostic([...answers].map(([status, count]) => `${count} times ${status}`).join(', '));
    assert.ok((answers.get('200') ?? 0) > 20 && (answers.get('400') ?? 0) > 20, 'some were understood, some were not');
    assert.equal(flowspan.pid('store'), pid);
    assert.deepEqual(await flowspan.query('SELECT 1 AS one'), [{ one: 1 }]);
    assert.deepEqual(await flowspan.query(TABLES), tables, 'nothing was made, nothing was written');
    await eventually('the connections to be gone', () => sockets() <= atFirst.sockets + 1, 20_000);
    const growth = memory() - atFirst.memory;
    assert.ok(growth < MEMORY_GROWTH_BYTES, `the store grew by ${(growth / 1024 ** 2).toFixed(0)} MiB`);
    assert.doesNotMatch(flowspan.output(), INSIDE);
  });
});
