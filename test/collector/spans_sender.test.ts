/** The queue of spans and their sending: batches by size and age, several at a time, bounded, over in time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { SpanCounts } from '../../collector/src/deliver/spans/counts.ts';
import type { ReadableSpan, SpanExporter } from '../../collector/src/deliver/spans/otlp.ts';
import type { SampledRequest, SpanMaker } from '../../collector/src/deliver/spans/request_span.ts';
import { SpanQueue } from '../../collector/src/deliver/spans/span_queue.ts';
import { MOST_EXPORTS, SpanSender } from '../../collector/src/deliver/spans/span_sender.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const request = (number = 0): SampledRequest => ({ row: Uint8Array.of(number), connection: number, threshold: '0' });

/** A sender whose spans are their requests' numbers, and an exporter that answers when it is told to. */
function sending(answer: (batch: readonly number[]) => Promise<Error | undefined>, most = 10_000) {
  const batches: number[][] = [];
  const lines: string[] = [];
  const queue = new SpanQueue(most);
  const counts = new SpanCounts();
  let inFlight = 0;
  let mostInFlight = 0;
  const exporter: SpanExporter = {
    async export(spans) {
      const batch = spans as unknown as readonly number[];
      batches.push([...batch]);
      inFlight += 1;
      mostInFlight = Math.max(mostInFlight, inFlight);
      const error = await answer(batch);
      inFlight -= 1;
      return error;
    },
  };
  const maker = {
    make({ connection }: SampledRequest): ReadableSpan {
      if (connection < 0) throw new Error('no row');
      return connection as unknown as ReadableSpan;
    },
  } as SpanMaker;
  const told = (_facts: unknown, text: string) => lines.push(text);
  const log = { info: told, warn: told, error: told } as unknown as Logger;
  const sender = new SpanSender({ queue, maker, exporter, counts, log, endpoint: 'http://otel' });
  const push = (from: number, count: number, agedMs = 10_000) => {
    for (let index = from; index < from + count; index += 1) queue.push(request(index), performance.now() - agedMs);
  };
  return { queue, counts, batches, lines, sender, push, inFlight: () => mostInFlight };
}

const taken = async () => undefined;

describe('queue', () => {
  it('gives in order what was there at a time', () => {
    const queue = new SpanQueue(10);
    for (let index = 0; index < 6; index += 1) queue.push(request(index), index);
    const numbers = (requests: readonly SampledRequest[]) => requests.map(({ connection }) => connection);
    assert.equal(queue.ageMs(5), 5);
    assert.deepEqual(numbers(queue.take(2, 100)), [0, 1]);
    assert.deepEqual(numbers(queue.take(100, 3)), [2, 3]);
    assert.deepEqual(numbers(queue.take(100, 3)), []);
    assert.equal(queue.length, 2);
    assert.equal(queue.clear(), 2);
    assert.equal(queue.ageMs(5), 0);
  });

  it('has room for so many and no more, however many went through', () => {
    const queue = new SpanQueue(3000);
    let number = 0;
    for (let round = 0; round < 20; round += 1) {
      while (queue.hasRoom) queue.push(request(number++), 0);
      assert.equal(queue.length, 3000);
      assert.equal(queue.take(1700, 0).length, 1700);
    }
    assert.equal(queue.take(1, 0)[0]?.connection, number - 1300);
  });
});

describe('sender', () => {
  it('sends a full batch at once, and what is left when it is old enough', async () => {
    const { sender, push, batches, counts } = sending(taken);
    push(0, 300, 500);
    sender.start();
    await eventually('the full batch', () => batches.length === 1);
    assert.equal(batches[0]?.length, 256);
    await eventually('the rest', () => batches.length === 2);
    assert.deepEqual(
      batches.flat(),
      Array.from({ length: 300 }, (_, index) => index),
    );
    await sender.close(100);
    assert.equal(counts.exported, 300);
  });

  it('waits for what belongs to a request before it makes its span', async () => {
    const { sender, push, batches } = sending(taken);
    const began = performance.now();
    push(0, 256, 0);
    sender.start();
    await eventually('the batch', () => batches.length === 1);
    assert.ok(performance.now() - began >= 250);
    await sender.close(100);
  });

  it('has several exports in flight and no more', async () => {
    const gate = Promise.withResolvers<undefined>();
    const { sender, push, batches, inFlight, queue, counts } = sending(() => gate.promise);
    push(0, 256 * 8);
    sender.start();
    await eventually('all that may be in flight', () => batches.length === MOST_EXPORTS);
    await wait(300);
    assert.equal(batches.length, MOST_EXPORTS);
    assert.equal(queue.length, 256 * (8 - MOST_EXPORTS));
    gate.resolve(undefined);
    await eventually('the rest', () => counts.exported === 256 * 8);
    assert.equal(inFlight(), MOST_EXPORTS);
    await sender.close(100);
  });

  it('counts what is not taken, and says so once until it is over', async () => {
    let error: Error | undefined = new Error('connect ECONNREFUSED');
    const { sender, push, counts, lines } = sending(async () => error);
    push(0, 512);
    sender.start();
    await eventually('two failed batches', () => counts.lost.export_failed === 512);
    assert.equal(lines.length, 1);
    error = undefined;
    push(0, 256);
    await eventually('a batch that is taken', () => counts.exported === 256);
    assert.equal(lines.length, 2);
    await sender.close(100);
  });

  it('leaves out a row that makes no span, and counts it', async () => {
    const { sender, push, counts, batches } = sending(taken);
    push(-2, 4);
    sender.start();
    await eventually('the batch', () => counts.exported === 2);
    assert.deepEqual(batches, [[0, 1]]);
    assert.equal(counts.lost.unreadable, 2);
    await sender.close(100);
  });

  it('sends what waits when it is closed, however young', async () => {
    const { sender, push, counts } = sending(taken);
    sender.start();
    push(0, 1000, 0);
    await sender.close(2000);
    assert.equal(counts.exported, 1000);
    assert.equal(counts.lost.stopped, 0);
  });

  it('is closed in time by a collector that does not answer, and counts each span once', async () => {
    const gate = Promise.withResolvers<undefined>();
    const { sender, push, counts } = sending(() => gate.promise);
    sender.start();
    push(0, 3000);
    const began = performance.now();
    await sender.close(300);
    assert.ok(performance.now() - began < 2000);
    assert.equal(counts.lost.stopped, 3000);
    gate.resolve(undefined);
    await wait(50);
    assert.equal(counts.exported + counts.lost.stopped, 3000, 'an answer that comes too late is not counted again');
  });

  it('does not wait for one that has failed already', async () => {
    const { sender, push, counts } = sending(async () => new Error('refused'));
    sender.start();
    push(0, 256);
    await eventually('the failure', () => counts.lost.export_failed === 256);
    push(0, 1000);
    const began = performance.now();
    await sender.close(5000);
    assert.ok(performance.now() - began < 2500);
    assert.equal(counts.lost.stopped + counts.lost.export_failed, 1256);
  });
});
