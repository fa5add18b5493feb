/** Spans of Flowspan's own work: which there are, what becomes of them, and what they cost where nobody wants them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { context, propagation, type Tracer, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { DrainSpans } from '../../collector/src/batch/drain_spans.ts';
import { loadConfig } from '../../collector/src/config.ts';
import { SegmentSpans, type TracedSegment } from '../../collector/src/deliver/segment_spans.ts';
import { EXPORT_TRACE_PREFIX, exportTraceparent } from '../../collector/src/telemetry/own_exports.ts';
import { type OwnSpanCounts, OwnSpanQueue, type SpanExporter } from '../../collector/src/telemetry/own_span_queue.ts';
import { startOwnSpans } from '../../collector/src/telemetry/own_spans.ts';

type Exported = Parameters<SpanExporter['export']>[0][number];

/** An exporter that keeps what it gets; `how` decides what it says of a batch. */
class Kept implements SpanExporter {
  readonly spans: Exported[] = [];
  readonly batches: number[] = [];
  how: 'take' | 'refuse' | 'throw' = 'take';

  export(spans: Exported[], told: (result: { code: number }) => void): void {
    if (this.how === 'throw') throw new Error('the exporter is broken');
    this.batches.push(spans.length);
    if (this.how === 'take') this.spans.push(...spans);
    setImmediate(() => told({ code: this.how === 'take' ? 0 : 1 }));
  }

  async shutdown(): Promise<void> {}
}

let kept: Kept;
let counts: OwnSpanCounts;
let queue: OwnSpanQueue;
let sdk: NodeSDK;
let tracer: Tracer;

beforeEach(() => {
  kept = new Kept();
  counts = { exported: 0, lostQueueFull: 0, lostExport: 0 };
  queue = new OwnSpanQueue(kept, counts);
  const spanProcessors = [queue];
  sdk = new NodeSDK({ spanProcessors, instrumentations: [], metricReaders: [], logRecordProcessors: [] });
  sdk.start();
  tracer = trace.getTracer('test');
});
afterEach(async () => {
  await sdk.shutdown();
  for (const api of [trace, context, propagation]) api.disable();
});

test('the queue holds 2048 spans; every one that ended is exported or counted as lost', async () => {
  for (let index = 0; index < 4000; index += 1) tracer.startSpan('x').end();
  await queue.forceFlush();
  // 512 were on their way when the rest filled the queue
  assert.deepEqual(counts, { exported: 2560, lostQueueFull: 1440, lostExport: 0 });
  assert.deepEqual(kept.batches, [512, 512, 512, 512, 512]);
});

for (const how of ['refuse', 'throw'] as const) {
  test(`an exporter that does ${how} costs the spans of its batch and nothing else`, async () => {
    kept.how = how;
    tracer.startSpan('x').end();
    await queue.forceFlush();
    kept.how = 'take';
    tracer.startSpan('y').end();
    await queue.forceFlush();
    assert.deepEqual(counts, { exported: 1, lostQueueFull: 0, lostExport: 1 });
  });
}

test('a thousand looks in a row make one span, a slow look one more', async () => {
  let records = 7;
  const drain = new DrainSpans(tracer, () => records);
  for (let look = 0; look < 1000; look += 1) {
    records += 3;
    drain.looked(300, performance.now());
  }
  drain.looked(100, performance.now() - 25);
  drain.looked(100, performance.now() - 25);
  await queue.forceFlush();
  assert.deepEqual(
    kept.spans.map(({ name, attributes }) => [name, attributes]),
    [
      ['drain', drained(3, 300, 1, 'time')],
      ['drain', drained(0, 100, 1000, 'slow')],
    ],
  );
  const slow = kept.spans[1]!;
  assert.ok(slow.duration[0] === 0 && slow.duration[1] >= 25e6 && slow.duration[1] < 500e6, String(slow.duration));
  assert.equal(slow.parentSpanContext, undefined);
});

const drained = (records: number, bytes: number, looks: number, chosen: string) => ({
  'flowspan.drain.records': records,
  'flowspan.drain.bytes': bytes,
  'flowspan.drain.looks': looks,
  'flowspan.drain.chosen': chosen,
});

const SEGMENT: TracedSegment = { table: 'requests', name: '1-1', rows: 12, bytes: 3456 };
const ATTRIBUTES = { 'db.system.name': 'clickhouse' };

test('a segment is one span, whatever it takes; each attempt carries its traceparent', async () => {
  const spans = new SegmentSpans({ tracer, attributes: ATTRIBUTES });
  const { signal } = new AbortController();
  const first = spans.attempt(SEGMENT, 'node/requests/1-1', signal);
  spans.failed(SEGMENT, new Error('connect ECONNREFUSED'), 250);
  const second = spans.attempt(SEGMENT, 'node/requests/1-1', signal);
  spans.finished(SEGMENT, 'stored');
  await queue.forceFlush();
  assert.equal(kept.spans.length, 1);
  const { name, kind, attributes, events, status } = kept.spans[0]!;
  assert.deepEqual([name, kind, status.code], ['INSERT requests', 2, 0]);
  assert.deepEqual(attributes, {
    ...ATTRIBUTES,
    'db.operation.name': 'INSERT',
    'db.collection.name': 'requests',
    'db.query.summary': 'INSERT requests',
    'db.operation.batch.size': 12,
    'flowspan.segment.bytes': 3456,
    'flowspan.segment.token': 'node/requests/1-1',
    'flowspan.segment.attempts': 2,
    'flowspan.segment.outcome': 'stored',
  });
  assert.deepEqual(
    events.map((event) => [event.name, event.attributes]),
    [['attempt failed', { 'exception.message': 'connect ECONNREFUSED', 'flowspan.retry_in_ms': 250 }]],
  );
  const { traceId, spanId } = kept.spans[0]!.spanContext();
  assert.deepEqual(first, { traceparent: `00-${traceId}-${spanId}-01` });
  assert.deepEqual(second, first);
});

test('a segment that is refused is an error; one that must wait for the next run says so', async () => {
  const spans = new SegmentSpans({ tracer, attributes: ATTRIBUTES });
  const stop = new AbortController();
  spans.attempt(SEGMENT, 'token', stop.signal);
  spans.finished(SEGMENT, 'refused');
  spans.attempt({ ...SEGMENT }, 'token', stop.signal);
  stop.abort();
  await queue.forceFlush();
  assert.deepEqual(
    kept.spans.map(({ attributes, status }) => [
      attributes['flowspan.segment.outcome'],
      attributes['flowspan.segment.attempts'],
      attributes['error.type'],
      status.code,
    ]),
    [
      ['refused', 1, 'FLOW_DELIVER_REFUSED', 2],
      ['left_in_spool', 1, undefined, 0],
    ],
  );
});

test('exports carry a valid traceparent that is marked and not sampled', () => {
  const one = exportTraceparent();
  assert.match(one, new RegExp(`^00-${EXPORT_TRACE_PREFIX}[0-9a-f]{16}-[0-9a-f]{16}-00$`));
  assert.notEqual(one, exportTraceparent());
});

/** Runs a module that has `startOwnSpans` and `loadConfig`; `hook` sees every name that is imported. */
function script(hook: string, work: string): string[] {
  const url = (name: string) => new URL(`../../collector/src/${name}.ts`, import.meta.url);
  const text = `
    import { registerHooks } from 'node:module';
    const asked = new Set();
    registerHooks({ resolve: (name, context, next) => { ${hook}; return next(name, context); } });
    const { startOwnSpans } = await import('${url('telemetry/own_spans')}');
    const { loadConfig } = await import('${url('config')}');
    ${work}
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
  return [stdout, stderr];
}

test('where no spans are wanted the SDK is not loaded', () => {
  const work = `
    for (const flags of [[], ['--otlp-endpoint', 'http://127.0.0.1:9', '--otlp-own-spans', 'false']]) {
      const spans = await startOwnSpans('store', loadConfig(flags, {}));
      spans.tracer.startSpan('x').end();
      await spans.close();
      if (spans.wanted) throw new Error('wanted');
    }
    console.log([...asked].filter((name) => name.startsWith('@opentelemetry/')).join());`;
  assert.deepEqual(script('asked.add(name)', work), ['@opentelemetry/api\n', '']);
});

test('an SDK that cannot be loaded stops the start with its code', () => {
  const hook = "if (name === '@opentelemetry/sdk-node') throw new Error('gone')";
  const work = `
    const config = loadConfig(['--otlp-endpoint', 'http://127.0.0.1:9'], {});
    await startOwnSpans('store', config).catch(({ code }) => console.log(code));`;
  assert.deepEqual(script(hook, work), ['FLOW_SPANS_SDK\n', '']);
});

for (const [what, answers] of [
  ['that nobody listens at', false],
  ['that never answers', true],
] as const) {
  test(`an endpoint ${what} says nothing, is counted, and does not keep the process from ending`, async () => {
    for (const api of [trace, context, propagation]) api.disable();
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    if (!answers) await new Promise((resolve) => server.close(resolve));
    const spans = await startOwnSpans('store', loadConfig(['--otlp-endpoint', url, '--otlp-timeout-ms', '200'], {}));
    spans.tracer.startSpan('x').end();
    const begun = performance.now();
    await spans.close();
    assert.ok(performance.now() - begun < 1500);
    await wait(300);
    const lost = spans.families().flatMap(({ samples }) => [...samples].map(({ value }) => value));
    assert.deepEqual(lost, [0, 0, 1]);
    server.closeAllConnections();
    server.close();
  });
}
