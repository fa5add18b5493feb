/** Which requests are sent as spans: by their reasons, by chance that both ends share, within limits. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Arena } from '../../collector/src/batch/arena.ts';
import { Traceparent } from '../../collector/src/correlate/requests/traceparent.ts';
import { SpanCounts } from '../../collector/src/deliver/spans/counts.ts';
import { Randomness, thresholdOf } from '../../collector/src/deliver/spans/probability.ts';
import { Sampler, type SamplerConfig } from '../../collector/src/deliver/spans/sampler.ts';
import { EXPORT_TRACE_PREFIX } from '../../collector/src/telemetry/own_exports.ts';
import { OUTCOMES, SPAN_DECISIONS } from '../../store/tables.ts';
import { requestRecord, type Values } from './support/records.ts';

const NOTHING: SamplerConfig = {
  ratio: 0,
  errors: false,
  slow_ms: 0,
  evidence: false,
  follow_parent: false,
  max_per_second: 1_000_000,
};
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-';

/** A sampler, and the decision on one request. */
function sampling(config: Partial<SamplerConfig>, room: () => boolean = () => true) {
  const arena = new Arena(64 * 1024);
  const at = arena.take(4096);
  const header = arena.take(64);
  const trace = new Traceparent(arena);
  const request = { outcome: OUTCOMES.ok as number, trace };
  const counts = new SpanCounts();
  const sampler = new Sampler({ arena, request, counts, hasRoom: room, rowWeight: () => 1 }, { ...NOTHING, ...config });
  const decide = (values: Values = {}, { outcome = OUTCOMES.ok as number, traceparent = '' } = {}): number => {
    arena.bytes.set(requestRecord({ traceparent }, values), at);
    arena.bytes.write(traceparent, header, 'latin1');
    trace.read(header, header + traceparent.length);
    request.outcome = outcome;
    return sampler.of(at);
  };
  return { sampler, counts, decide };
}

describe('decision', () => {
  const sequences = { request_sequence: 1, response_sequence: 2 };

  it('sends nothing where nothing is asked for', () => {
    const { decide } = sampling({});
    const worst = { ...sequences, duration_ns: 10n ** 12n, retransmitted_segments: 9, timeouts: 1, zero_window_ns: 5 };
    assert.equal(
      decide(worst, { outcome: OUTCOMES.server_error, traceparent: `${TRACEPARENT}01` }),
      SPAN_DECISIONS.not_sent,
    );
  });

  it('sends failures of the service and of the network, not mistakes of a client', () => {
    const { decide } = sampling({ errors: true });
    const sent = Object.entries(OUTCOMES).filter(
      ([, outcome]) => decide(sequences, { outcome }) === SPAN_DECISIONS.error,
    );
    assert.deepEqual(sent.map(([name]) => name).toSorted(), ['no_response', 'refused', 'server_error']);
  });

  it('sends what took as long as slow_ms, also beyond 4.3 s', () => {
    const { decide } = sampling({ slow_ms: 1000 });
    assert.equal(decide({ duration_ns: 999_999_999 }), SPAN_DECISIONS.not_sent);
    assert.equal(decide({ duration_ns: 1_000_000_000 }), SPAN_DECISIONS.slow);
    assert.equal(decide({ duration_ns: 2n ** 32n + 1n }), SPAN_DECISIONS.slow);
  });

  for (const evidence of ['retransmitted_segments', 'timeouts', 'zero_window_ns']) {
    it(`sends what met ${evidence}`, () => {
      const { decide } = sampling({ evidence: true });
      assert.equal(decide(sequences), SPAN_DECISIONS.not_sent);
      assert.equal(decide({ ...sequences, [evidence]: 1 }), SPAN_DECISIONS.evidence);
    });
  }
  it('sends what met a window closed for longer than 4.3 s', () => {
    assert.equal(sampling({ evidence: true }).decide({ zero_window_ns: 2n ** 33n }), SPAN_DECISIONS.evidence);
  });

  it('follows the sampled flag of a traceparent', () => {
    const { decide } = sampling({ follow_parent: true });
    assert.equal(decide(sequences, { traceparent: `${TRACEPARENT}01` }), SPAN_DECISIONS.parent);
    assert.equal(decide(sequences, { traceparent: `${TRACEPARENT}03` }), SPAN_DECISIONS.parent);
    assert.equal(decide(sequences, { traceparent: `${TRACEPARENT}00` }), SPAN_DECISIONS.not_sent);
    assert.equal(decide(sequences, { traceparent: 'no traceparent' }), SPAN_DECISIONS.not_sent);
  });

  it('names the first reason, whose spans stand for themselves', () => {
    const { decide, sampler } = sampling({ errors: true, slow_ms: 1, evidence: true, follow_parent: true, ratio: 0.5 });
    const all = { duration_ns: 10n ** 9n, timeouts: 1 };
    const traceparent = `${TRACEPARENT}01`;
    assert.equal(decide(all, { outcome: OUTCOMES.server_error, traceparent }), SPAN_DECISIONS.error);
    assert.equal(decide(all, { traceparent }), SPAN_DECISIONS.slow);
    assert.equal(decide({ timeouts: 1 }, { traceparent }), SPAN_DECISIONS.evidence);
    assert.equal(decide({}, { traceparent }), SPAN_DECISIONS.parent);
    assert.equal(sampler.threshold, '0');
  });

  it('never sends requests that Flowspan itself delivers spans with', () => {
    const { decide } = sampling({ errors: true, ratio: 1 });
    const traceparent = `00-${EXPORT_TRACE_PREFIX}a3ce929d0e0e4736-00f067aa0ba902b7-00`;
    assert.equal(decide(sequences, { outcome: OUTCOMES.server_error, traceparent }), SPAN_DECISIONS.not_sent);
  });

  it('takes a new configuration', () => {
    const { decide, sampler } = sampling({});
    sampler.configure({ ...NOTHING, ratio: 1 });
    assert.equal(decide(sequences), SPAN_DECISIONS.ratio);
  });

  it('counts every decision', () => {
    const { decide, counts } = sampling({ slow_ms: 1 });
    decide({ duration_ns: 1 });
    decide({ duration_ns: 10 ** 6 });
    decide({ duration_ns: 10 ** 7 });
    assert.deepEqual(counts.decisions, { not_sent: 1, error: 0, slow: 2, evidence: 0, parent: 0, ratio: 0 });
  });
});

describe('limits', () => {
  it('sends no more than max_per_second in one second, and counts the rest', () => {
    const { decide, counts } = sampling({ ratio: 1, max_per_second: 100 });
    const began = performance.now();
    let sent = 0;
    for (let index = 0; index < 1000; index += 1) sent += decide({ request_sequence: index }) === 0 ? 0 : 1;
    const seconds = Math.floor(performance.now() / 1000) - Math.floor(began / 1000) + 1;
    assert.ok(sent >= 100 && sent <= 100 * seconds, `${sent} in ${seconds} seconds of the clock`);
    assert.equal(counts.lost.rate_limit, 1000 - sent);
    assert.equal(counts.decisions.not_sent, 1000 - sent);
  });

  it('sends nothing while the queue is full, and counts it', () => {
    let room = false;
    const { decide, counts } = sampling({ ratio: 1 }, () => room);
    assert.equal(decide(), SPAN_DECISIONS.not_sent);
    room = true;
    assert.equal(decide(), SPAN_DECISIONS.ratio);
    assert.equal(counts.lost.queue_full, 1);
  });
});

describe('share', () => {
  const COUNT = 20_000;
  /** Requests of 200 connections, 100 each: sequence numbers grow within one. A fixed sequence: no chance in the test. */
  const requests = Array.from({ length: COUNT }, (_, index) => {
    const connection = Math.floor(index / 100);
    const request = index % 100;
    const begin = Math.imul(connection + 1, 0x9e3779b1) >>> 0;
    return {
      request_sequence: (begin + request * 180) >>> 0,
      response_sequence: (Math.imul(begin, 0x85ebca6b) + request * 1200) >>> 0,
    };
  });

  for (const ratio of [0.001, 0.01, 0.1, 0.5, 0.9]) {
    it(`keeps ${ratio} of the requests, within five standard deviations`, () => {
      const { decide } = sampling({ ratio });
      const kept = requests.filter((values) => decide(values) === SPAN_DECISIONS.ratio).length;
      const deviation = Math.sqrt(COUNT * ratio * (1 - ratio));
      assert.ok(Math.abs(kept - COUNT * ratio) < 5 * deviation, `${kept} of ${COUNT}`);
    });
  }

  it('keeps none at 0 and all at 1', () => {
    const [none, all] = [sampling({ ratio: 0 }), sampling({ ratio: 1 })];
    assert.ok(requests.every((values) => none.decide(values) === SPAN_DECISIONS.not_sent));
    assert.ok(requests.every((values) => all.decide(values) === SPAN_DECISIONS.ratio));
  });

  it('spreads randomness evenly over all bits, low and high', () => {
    const randomness = new Randomness();
    const ones = new Uint32Array(56);
    for (const { request_sequence, response_sequence } of requests) {
      randomness.ofSequences(request_sequence, response_sequence);
      const bits = BigInt(`0x${randomness.text}`);
      for (let bit = 0; bit < 56; bit += 1) ones[bit]! += Number((bits >> BigInt(bit)) & 1n);
    }
    const most = 5 * Math.sqrt(COUNT / 4);
    for (const [bit, count] of ones.entries()) assert.ok(Math.abs(count - COUNT / 2) < most, `bit ${bit}: ${count}`);
  });

  it('decides alike at both ends, and keeps at a higher ratio what it keeps at a lower', () => {
    const [low, high] = [sampling({ ratio: 0.1 }), sampling({ ratio: 0.3 })];
    for (const values of requests) {
      const client = low.decide({ ...values, observation_point: 'client', socket_cookie: 1, duration_ns: 5 });
      const server = low.decide({ ...values, observation_point: 'server', socket_cookie: 2, duration_ns: 3 });
      assert.equal(client, server);
      if (client !== SPAN_DECISIONS.not_sent) assert.equal(high.decide(values), SPAN_DECISIONS.ratio);
    }
  });

  it('goes by the trace id where a traceparent was sent, as OpenTelemetry samplers do', () => {
    const { decide, sampler } = sampling({ ratio: 0.25 });
    const traceparent = (low: string) => `00-ffffffffffffffffff${low}-00f067aa0ba902b7-00`;
    assert.equal(decide({}, { traceparent: traceparent('bfffffffffffff') }), SPAN_DECISIONS.not_sent);
    assert.equal(decide({}, { traceparent: traceparent('c0000000000000') }), SPAN_DECISIONS.ratio);
    assert.equal(sampler.threshold, 'c');
  });
});

describe('threshold', () => {
  it('is written as OpenTelemetry writes it', () => {
    const written = [1, 0.5, 0.25, 0.1, 0.01, 2 ** -50].map((ratio) => thresholdOf(ratio).text);
    assert.deepEqual(written, ['0', '8', 'c', 'e6666666666668', 'fd70a3d70a3d7', 'ffffffffffffc']);
  });
});
