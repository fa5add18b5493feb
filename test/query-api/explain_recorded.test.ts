/**
 * explain() on answers of real runs: one round of test/e2e/causes.test.ts, and its chains. Recorded anew by
 * FLOWSPAN_CAUSES_RECORD=FOLDER node --test test/e2e/causes.test.ts; of each sample only the first rows are kept here.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from '../../query-api/cli/explain/explain.ts';
import { explainText } from '../../query-api/cli/explain/format.ts';
import type { Trial } from '../support/fault_trials.ts';
import { readRecording } from '../support/recorded_answers.ts';

const recorded = <More>(name: string) => readRecording<More>(new URL(`./recorded/${name}.ndjson`, import.meta.url));
const round = recorded<{ trials: Trial[] }>('faults');
const chains = recorded('chains');

test('each fault of a round is named on its edge, and nothing where there is none', () => {
  const findings = explain(round.answers);
  for (const [pair, trial] of round.more.trials.entries()) {
    const own = findings.filter(({ edge }) => edge.destination_port === trial.port);
    assert.deepEqual(own.map(({ cause }) => cause).toSorted(), trial.expected.toSorted(), trial.fault);
    for (const { edge } of own) assert.equal(edge.source.workload, `pair${pair}-${trial.client}`);
  }
  const named = round.more.trials.flatMap(({ expected }) => expected);
  assert.equal(findings.length, named.length);
  assert.ok(named.length >= 9);
});

test('every finding says since when, how many of how many, and shows requests', () => {
  for (const finding of explain(round.answers)) {
    const { since, last, count, of, share, evidence, examples, cause } = finding;
    assert.ok(round.answers.since <= since && since <= last && last <= round.answers.until, finding.id);
    assert.ok(count > 0 && count <= of && share > 0 && share <= 1, finding.id);
    assert.ok(evidence.length >= 2 && evidence.every(({ value }) => Number.isFinite(value)), finding.id);
    for (const { value, unit } of evidence) if (unit === 'ratio') assert.ok(value >= 0 && value <= 1, finding.id);
    // nobody answered: there is no request
    assert.equal(examples.length === 0, cause === 'connection_refused', finding.id);
    for (const { id, text } of examples) {
      assert.match(id, /^[0-9a-f]{60,}$/);
      assert.match(text, /^\d\d:\d\d:\d\d\.\d{3} (GET|POST) \S+ /);
    }
  }
});

test('the worst comes first, and what follows from something else comes last', () => {
  for (const { answers } of [round, chains]) {
    const findings = explain(answers);
    const roots = findings.filter(({ follows_from }) => follows_from.length === 0);
    assert.deepEqual(findings.slice(0, roots.length), roots);
    const shares = roots.map(({ share }) => share);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => b - a),
    );
  }
});

test('what a gateway shows follows from the service behind it; giving up follows downwards', () => {
  const follows = Object.fromEntries(
    explain(chains.answers).flatMap(({ id, follows_from }) => follows_from.map((other) => [id, other])),
  );
  const words = Object.entries(follows).map(([id, other]) => [id.split(' ')[0], other.split(' ')[0]].join(' <- '));
  assert.deepEqual(words.toSorted(), [
    'client_abort <- client_abort',
    'server_error <- connection_refused',
    'server_error <- server_error',
    'slow_application <- reads_late',
    'slow_application <- slow_application',
  ]);
  for (const [id, other] of Object.entries(follows)) {
    const [, source, , destination] = id.split(/ |:/);
    const [, otherSource, , otherDestination] = other.split(/ |:/);
    if (id.startsWith('client_abort')) assert.equal(source, otherDestination);
    else assert.equal(destination, otherSource);
  }
});

test('without samples nothing follows from anything, and the causes are the same', () => {
  const plain = explain({ ...chains.answers, samples: {} });
  assert.ok(plain.every(({ follows_from, examples }) => follows_from.length === 0 && examples.length === 0));
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).toSorted();
  assert.deepEqual(ids(plain), ids(explain(chains.answers)));
});

test('as text: each finding with its numbers, what it follows from, and how complete the answer is', () => {
  const findings = explain(chains.answers);
  const text = explainText(findings, chains.answers);
  for (const [index, { cause, edge, examples }] of findings.entries()) {
    assert.ok(text.includes(`\n${index + 1}. ${cause}  ${edge.source.workload} -> `), cause);
    for (const { id } of examples) assert.ok(text.includes(`/v1/requests/${id}`));
  }
  assert.match(text, /\n {3}because of \d+\. reads_late pair4-b -> pair5-b:9002\n/);
  assert.match(text, /\n {3}and so \d+\. slow_application pair4-a -> pair4-b:8002\n/);
  assert.match(text, /\nall is stored up to 2026-/);
});

test('as text: no fault found, and that is said together with what is not known', () => {
  const text = explainText([], round.answers);
  assert.match(text, /^from 2026-\S+ to 2026-\S+: no fault found\n\n/);
  assert.match(text, /all is stored up to/);
});
