/** HTTP rules of all policies that count together, as units of decisions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BOUNDS, type Compiled, compile } from '../../../collector/src/control/policy/compile.ts';
import { ruleOf, UnitCache } from '../../../collector/src/control/policy/decision_units.ts';
import { begin, read } from '../../../collector/src/control/policy/http/judge.ts';
import type { HttpUnit } from '../../../collector/src/control/policy/http/unit.ts';
import { JUDGED } from '../../../collector/src/control/policy/http/verdict.ts';
import { bitsOf } from './http/judging.ts';
import { model, PODS } from './support/world.ts';

const CLUSTER = { node: 'node-a', nodes: [], pods: [...PODS.values()] };

/** A policy of pods a of namespace x. @param rules by port */
function cilium(name: string, rules: Readonly<Record<string, string>>): string {
  const entries = Object.entries(rules).map(
    ([port, http]) => `{ports: [{port: "${port}", protocol: TCP}], rules: {http: [${http}]}}`,
  );
  const head = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: x}\n`;
  return `${head}spec: {endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEntities: [all], toPorts: [${entries.join(', ')}]}]}\n`;
}

function compiled(yaml: string, units = BOUNDS.units, cache?: UnitCache) {
  const { tables, conditions }: Compiled = compile(model(yaml), CLUSTER, { ...BOUNDS, units }, cache);
  assert.ok(tables !== undefined);
  return { tables, conditions };
}

/** Bits of the rules that allow a request. */
function allowedBy(unit: HttpUnit | undefined, line: string): readonly number[] {
  assert.ok(unit !== undefined);
  const judgement = begin(unit);
  read(unit, judgement, Buffer.from(`${line} HTTP/1.1\r\nhost: a\r\n\r\n`));
  return judgement.verdict === JUDGED.allowed ? bitsOf(judgement.rules) : [];
}

describe('HTTP rules of decisions', () => {
  const BOTH = [
    cilium('one', { 80: '{method: GET, path: /a}, {method: POST}' }),
    cilium('two', { 80: '{method: POST}, {path: /b}', 81: '{path: /c}' }),
  ].join('---\n');

  it('of several policies are one unit, whose bits lead back to policy, rule and HTTP rule', () => {
    const { tables, conditions } = compiled(BOTH);
    assert.deepEqual(conditions, []);
    assert.equal(tables.units.length, 2, 'one of each port');
    const decision = tables.requests.findIndex((one) => one?.rules.length === 3);
    const unit = tables.units[tables.requests[decision]?.unit ?? -1];
    const told = (line: string) =>
      allowedBy(unit, line).map((bit) => {
        const { policy, rule, http } = ruleOf(tables, decision, bit);
        return `${policy?.name} ${rule?.path} ${http}`;
      });
    const PATH = 'spec.ingress[0].toPorts[0]';
    assert.deepEqual(told('GET /a'), [`one ${PATH} 0`]);
    assert.deepEqual(
      told('POST /b'),
      [`one ${PATH} 1`, `two ${PATH} 1`],
      'a rule that two policies have is the first one',
    );
    assert.deepEqual(told('GET /c'), []);
    const whole = ruleOf(tables, decision);
    assert.deepEqual([whole.policy?.name, whole.http], ['one', undefined], 'the connection itself');
  });

  it('cross to another thread as they are', () => {
    const { tables } = compiled(BOTH);
    const there = structuredClone(tables);
    assert.deepEqual(there, tables);
    assert.deepEqual(allowedBy(there.units[0], 'GET /a'), [0]);
  });

  it('that are the same share a unit, which is kept for the next tables', () => {
    const cache = new UnitCache();
    const same = cilium('one', { 80: '{path: /a}', 81: '{path: /a}', 82: '{path: /b}' });
    const first = compiled(same, BOUNDS.units, cache).tables;
    assert.equal(first.units.length, 2);
    const again = compiled(same, BOUNDS.units, cache).tables;
    assert.ok(first.units.every((unit, index) => unit === again.units[index]));
    compiled(cilium('one', { 80: '{path: /a}' }), BOUNDS.units, cache);
    const later = compiled(same, BOUNDS.units, cache).tables;
    assert.equal(later.units[0], first.units[0]);
    assert.notEqual(later.units[1], first.units[1], 'what the tables between did not need is forgotten');
  });

  it('that do not fit together let nothing through, and say so of each policy', () => {
    const rules = (from: number) =>
      Array.from({ length: 40 }, (_, index) => `{path: "/${from + index}/[a-z]+"}`).join(', ');
    const yaml = [cilium('one', { 80: rules(0) }), cilium('two', { 80: rules(100), 81: '{}' })].join('---\n');
    const { tables, conditions } = compiled(yaml);
    const judged = tables.requests.filter((one) => one !== undefined);
    assert.deepEqual(
      judged.map(({ unit, rules: of }) => [unit, of.length]).toSorted(),
      [
        [0, 1],
        [undefined, 80],
      ].toSorted(),
    );
    assert.deepEqual(
      conditions.map(({ name, accepted, reason }) => [name, accepted, reason]),
      [
        ['one', true, 'HttpRulesDoNotFit'],
        ['two', true, 'HttpRulesDoNotFit'],
      ],
    );
    assert.match(conditions[0]?.message ?? '', /^the 80 HTTP rules of x\/one, x\/two .* no request is let through/);
  });

  it('for which there are not enough tables let nothing through', () => {
    const { tables, conditions } = compiled(cilium('one', { 80: '{path: /a}', 81: '{path: /b}', 82: '{path: /a}' }), 1);
    assert.equal(tables.units.length, 1);
    const units = tables.requests.filter((one) => one !== undefined).map(({ unit }) => unit);
    assert.deepEqual(units.filter((unit) => unit === undefined).length, 1);
    assert.deepEqual(
      conditions.map(({ name, reason }) => [name, reason]),
      [['one', 'HttpTablesFull']],
    );
  });
});
