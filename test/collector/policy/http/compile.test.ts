/** Rules that are refused, and why; rules that are more than one table. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileRules, UNITS_MAX } from '../../../../collector/src/control/policy/http/compile.ts';
import { compiledRules, judged } from './judging.ts';

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`;

describe('what cannot be compiled is refused', () => {
  it('with the rule, the field and the pattern', () => {
    const { units, refusals } = compileRules([
      { path: '/a' },
      { method: 'GET', path: '/(?=a)' },
      {
        headers: [
          { name: 'a_b' },
          { name: 'ok', value: 'a', pattern: 'a' },
          { name: 'x', pattern: '(' },
          { name: 'y', value: ' a' },
        ],
      },
      { host: 'a'.repeat(5000) },
    ]);
    assert.deepEqual(units, []);
    assert.deepEqual(
      refusals.map(({ rule, field, reason }) => `${rule} ${field} ${reason}`),
      [
        '1 path PatternUnsupported',
        '2 headers[0] HeaderNameInvalid',
        '2 headers[1] HeaderValueAmbiguous',
        '2 headers[2] PatternInvalid',
        '2 headers[3] HeaderValueInvalid',
        '3 host PatternTooLarge',
      ],
    );
  });

  it('with its size, where it is too large alone', () => {
    const { units, refusals } = compileRules([{ path: '/a' }, { method: 'GET', path: '/(?:a|b)*a(?:a|b){12}' }]);
    assert.deepEqual(units, []);
    assert.deepEqual(
      refusals.map(({ rule, field, reason }) => `${rule} ${field} ${reason}`),
      ['1 path PatternTooLarge'],
    );
    assert.match(refusals[0]!.message, /^pattern "\/\(\?:a\|b\)\*a\(\?:a\|b\)\{12\}": its automaton has 8194 states/);
  });

  it('but many rules are more than one unit', () => {
    const rules = Array.from({ length: 100 }, (_, index) => ({ path: `/${index}/x` }));
    const compiled = compiledRules(rules);
    assert.ok(compiled.units.length > 1);
    assert.equal(
      compiled.units.reduce((sum, { count }) => sum + count, 0),
      100,
    );
    for (const index of [0, 49, 50, 99]) assert.equal(judged(compiled, get(`/${index}/x`)), `allowed by ${index}`);
    assert.equal(judged(compiled, get('/100/x')), 'denied');
    assert.equal(judged(compiled, get('//')), 'unjudged: target_slashes');
  });

  it('and not more units than are asked for every head', () => {
    const rules = Array.from({ length: 64 }, (_, index) => ({ path: `/.*x${index}y.*` }));
    const { units, refusals } = compileRules(rules);
    assert.deepEqual([units.length, refusals.map(({ reason }) => reason)], [0, ['RulesTooLarge']]);
    assert.ok(compileRules(rules.slice(0, refusals[0]!.rule)).units.length <= UNITS_MAX);
  });

  it('in bounded time, whatever the patterns', () => {
    const began = performance.now();
    for (const pattern of ['/(?:a|b)*a(?:a|b){11}x', '/\\pL{14}', '/(?:\\PL|a){50}']) {
      const { units, refusals } = compileRules(Array.from({ length: 8 }, (_, index) => ({ path: pattern + index })));
      assert.equal(units.length, 0);
      assert.ok(refusals.every(({ reason }) => reason === 'PatternTooLarge') && refusals.length > 0);
    }
    assert.ok(performance.now() - began < 60_000);
  });

  it('and the same rules are the same bytes', () => {
    const rules = [{ path: '/a.*', host: 'b' }, { headers: [{ name: 'c', value: 'd' }] }];
    assert.deepEqual(compiledRules(rules), compiledRules(structuredClone(rules)));
  });
});
