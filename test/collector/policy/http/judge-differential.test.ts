/** Rules and heads by chance: the judge says what a slow reference says of the same bytes, however they are split. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { randomOf } from '../../../bpf/http/exchange.ts';
import { headOf, rulesOf } from './generate.ts';
import { compiledRules, judge } from './judging.ts';
import { expected } from './reference.ts';

const SEED = Number(process.env.JUDGE_SEED ?? 1);
const POLICIES = Number(process.env.JUDGE_POLICIES ?? 20);
const HEADS = 1_000;

it('the judge says what the reference says', (t) => {
  const counts = new Map<string, number>();
  for (let policy = 0; policy < POLICIES; policy += 1) {
    const random = randomOf(SEED * 1_000_000 + policy);
    const rules = rulesOf(random, 6);
    const compiled = compiledRules(rules);
    for (let count = 0; count < HEADS; count += 1) {
      const head = headOf(random);
      const bytes = Buffer.from(`${head}GET / HTTP/1.1\r\n\r\n`, 'latin1');
      const at = random(bytes.length);
      const { said } = judge(compiled, [bytes.subarray(0, at), bytes.subarray(at)]);
      const seen = said.startsWith('unjudged') ? 'unjudged' : said;
      assert.equal(seen, expected(rules, bytes.toString('latin1')), `${said}: ${JSON.stringify([rules, head])}`);
      const kind = said.replace(/ by.*/, '');
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  }
  for (const [kind, count] of counts) t.diagnostic(`${count} heads ${kind}`);
  for (const kind of ['allowed', 'denied']) assert.ok((counts.get(kind) ?? 0) > POLICIES * 100, kind);
  assert.ok(counts.size > 14);
});
