/** What the demo calls right and wrong. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CORRELATED, type FiredAlert } from '../../deploy/demo/alerts.ts';
import type { Explanation, OpaqueEdge, Shown } from '../../deploy/demo/ask.ts';
import { FAULTS } from '../../deploy/demo/faults.ts';
import { complaints } from '../../deploy/demo/judge.ts';
import type { Cause, EdgeEnd, Finding } from '../../query-api/cli/explain/finding.ts';

const end = (name: string): EdgeEnd => ({ endpoint_id: name, namespace: null, workload: name, name, address: null });

function finding(cause: Cause, source: string, destination: string, ...follows_from: string[]): Finding {
  const id = `${cause} ${source} -> ${destination}:80`;
  return {
    id,
    cause,
    edge: { source: end(source), destination: end(destination), destination_port: 80 },
    count: 10,
    of: 20,
    share: 0.5,
    since: '',
    last: '',
    evidence: [],
    examples: [{ id, text: '' }],
    follows_from,
  };
}

const CARRIES_NO_HTTP: OpaqueEdge = { source: 'cart', destination: 'redis', connections: 3 };

/** An answer with these findings, whose examples show them unless `views` says otherwise. */
function said(findings: readonly Finding[], views: Record<string, unknown> = {}, lost: string[] = []): Explanation {
  const shown = findings.map(({ id, edge }): [string, Shown] => {
    const view = {
      source_workload: edge.source.workload,
      destination_workload: edge.destination.workload,
      http_status_code: 503,
      retransmitted_segments: 1,
      ...views,
    };
    return [id, { id, request: view, views: { client: view, server: view } }];
  });
  return {
    findings,
    shown: new Map(shown),
    opaque: [CARRIES_NO_HTTP],
    completeness: {
      complete: lost.length === 0,
      watermark: null,
      lost: lost.map((reason) => ({ kind: 'request', node: 'n', reason, count: '1', from: '', to: '' })),
      shed: [],
      sampled: false,
      unobserved: [],
      identities_settled_until: null,
      expired_before: null,
      opaque_connections: null,
    },
  };
}

const incomplete = (explanation: Explanation): Explanation => ({
  ...explanation,
  completeness: { ...explanation.completeness, complete: false },
});

const fault = (name: string) => FAULTS.find((one) => one.name === name);
const errors = finding('server_error', 'checkout', 'payments');
const loss = finding('packet_loss', 'checkout', 'payments');
const follows = finding('server_error', 'gateway', 'checkout', errors.id);
const further = finding('server_error', 'customer', 'gateway', follows.id);
const fires = (alert: string, source = 'checkout', destination = 'payments'): FiredAlert => ({
  alert,
  source,
  destination,
});
const ERRORS_FIRE = [fires('FlowspanServerErrors')];

describe('the demo judges', () => {
  it('right what was meant to be found and what follows from it, over several hosts', () => {
    assert.deepEqual(complaints(fault('server_error'), said([errors, follows, further]), ERRORS_FIRE, []), []);
    assert.deepEqual(complaints(fault('both'), said([loss, errors, follows]), [fires(CORRELATED)], []), []);
    assert.deepEqual(complaints(undefined, said([]), [], []), []);
  });

  it('right other alerts on edges of what was meant to be found and of what follows from it', () => {
    const fired = [...ERRORS_FIRE, fires('FlowspanHighLatency'), fires('FlowspanServerErrors', 'customer', 'gateway')];
    assert.deepEqual(complaints(fault('server_error'), said([errors, follows, further]), fired, []), []);
  });

  const wrong: readonly [string, string, Explanation, readonly FiredAlert[], RegExp][] = [
    ['a cause that is missing', 'both', said([errors]), [fires(CORRELATED)], /^expected packet_loss.*not found/],
    ['another cause', 'server_error', said([errors, loss]), ERRORS_FIRE, /^not expected: packet_loss/],
    [
      'the right cause on another edge',
      'server_error',
      said([errors, finding('server_error', 'checkout', 'cart')]),
      ERRORS_FIRE,
      /^not expected: server_error checkout -> cart/,
    ],
    [
      'a consequence of nothing',
      'server_error',
      said([errors, finding('server_error', 'gateway', 'checkout', 'nothing')]),
      ERRORS_FIRE,
      /^not expected/,
    ],
    [
      'requests that do not show it',
      'server_error',
      said([errors], { http_status_code: 200 }),
      ERRORS_FIRE,
      /nothing in request/,
    ],
    [
      'requests of another edge',
      'server_error',
      said([errors], { source_workload: 'mobile' }),
      ERRORS_FIRE,
      /is one of mobile/,
    ],
    ['no requests', 'server_error', said([{ ...errors, examples: [] }]), ERRORS_FIRE, /expected requests/],
    ['an alert that is missing', 'server_error', said([errors]), [], /^expected alert FlowspanServerErrors/],
    [
      'the correlated alert for errors alone',
      'server_error',
      said([errors]),
      [...ERRORS_FIRE, fires(CORRELATED)],
      /^alert not expected/,
    ],
    [
      'the correlated alert for another edge',
      'both',
      said([errors, loss]),
      [fires(CORRELATED), fires(CORRELATED, 'gateway', 'checkout')],
      /^alert not expected/,
    ],
    [
      'any alert on an edge without a finding',
      'server_error',
      said([errors, follows]),
      [...ERRORS_FIRE, fires('FlowspanHighLatency', 'gateway', 'catalog')],
      /^alert not expected: FlowspanHighLatency gateway -> catalog$/,
    ],
    ['a loss', 'server_error', said([errors], {}, ['ring_full']), ERRORS_FIRE, /^expected nothing to be lost/],
    [
      'an answer that is not complete, whatever the reason',
      'server_error',
      incomplete(said([errors])),
      ERRORS_FIRE,
      /^expected complete answers: stored up to null/,
    ],
    [
      'another edge that cannot be seen into',
      'server_error',
      { ...said([errors]), opaque: [CARRIES_NO_HTTP, { source: 'gateway', destination: null, connections: 1 }] },
      ERRORS_FIRE,
      /^expected .* of cart -> redis alone: cart -> redis, gateway -> unknown$/,
    ],
    [
      'no edge that cannot be seen into',
      'server_error',
      { ...said([errors]), opaque: [] },
      ERRORS_FIRE,
      /of cart -> redis alone: there are none$/,
    ],
  ];
  for (const [what, name, explanation, fired, complaint] of wrong) {
    it(`wrong ${what}`, () => {
      const found = complaints(fault(name), explanation, fired, []);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] as string, complaint);
    });
  }

  it('wrong any finding and any alert while nothing is broken', () => {
    assert.equal(complaints(undefined, said([errors]), ERRORS_FIRE, []).length, 2);
  });

  it('wrong any alert of Flowspan about itself, with a fault and without', () => {
    for (const [broken, findings, fired] of [
      [fault('server_error'), [errors], ERRORS_FIRE],
      [undefined, [], []],
    ] as const) {
      const found = complaints(broken, said(findings), fired, ['FlowspanRecordsLost']);
      assert.deepEqual(found, ['alert not expected: FlowspanRecordsLost, about Flowspan itself']);
    }
  });
});
