/**
 * What is allowed is what nginx takes the same bytes for: it answers them, as one request, and the rules that allow it
 * match the method, the path, the host and the headers as nginx has them.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { HttpRule } from '../../../../collector/src/control/policy/http/rules.ts';
import { randomOf } from '../../../bpf/http/exchange.ts';
import { headOf, rulesOf } from './generate.ts';
import { compiledRules, judge } from './judging.ts';
import { type NginxView, type NginxWitness, startNginxWitness } from './nginx_view.ts';

const SEED = Number(process.env.JUDGE_SEED ?? 1);
const POLICIES = Number(process.env.JUDGE_POLICIES ?? 8);
const HEADS = 250;

const utf8 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');

/** The path of a head, its escapes decoded and nothing else done to it. */
const pathOf = (head: string): string =>
  (/ ([^ ?]*)/.exec(head)?.[1] ?? '').replace(/%(..)/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );

/** Why a rule does not match what nginx sees; empty if it does. */
function differences(rule: HttpRule, view: NginxView): string[] {
  const header = (name: string): string =>
    ({ 'x-a': view.http_x_a, 'x-ab': view.http_x_ab, host: view.http_host })[name.toLowerCase()] ?? '';
  const found: string[] = [];
  const check = (field: string, pattern: string | undefined, bytes: string, flags = 'u'): void => {
    if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`, flags).test(utf8(bytes)))
      found.push(`${field}: ${pattern} on ${JSON.stringify(bytes)}`);
  };
  check('method', rule.method, view.request_method);
  check('path', rule.path, view.uri + view.is_args + view.args);
  check('host', rule.host, view.http_host, 'iu');
  for (const { name, value, pattern } of rule.headers ?? []) {
    check(name, pattern, header(name));
    if (value !== undefined && utf8(header(name)) !== value) found.push(`${name}: not ${value}`);
  }
  return found;
}

describe('rules and nginx', { skip: existsSync('/usr/sbin/nginx') ? false : 'no nginx' }, () => {
  let nginx: NginxWitness;
  before(async () => {
    nginx = await startNginxWitness();
  });
  after(() => nginx?.stop());

  it('what is allowed is so in the eyes of nginx', async (t) => {
    const counts = { allowed: 0, denied: 0, unjudged: 0, 'unjudged, though nginx answers': 0 };
    for (let policy = 0; policy < POLICIES; policy += 1) {
      const random = randomOf(SEED * 5_000_000 + policy);
      const rules = rulesOf(random, 6);
      const compiled = compiledRules(rules);
      const compare = async (): Promise<void> => {
        // an answer to HEAD does not tell
        const head = headOf(random).replace(/^HEAD/, 'GET');
        const bytes = Buffer.from(head, 'latin1');
        const { said, bytes: length } = judge(compiled, [bytes]);
        // what is behind the head is another request
        const view = await nginx.ask(said.startsWith('allowed') ? bytes.subarray(0, length) : bytes);
        if (!said.startsWith('allowed')) {
          counts[said === 'denied' ? 'denied' : 'unjudged'] += 1;
          if (said !== 'denied' && view !== undefined) counts['unjudged, though nginx answers'] += 1;
          return;
        }
        counts.allowed += 1;
        const told = `${said}: ${JSON.stringify([head, view])}`;
        assert.ok(view !== undefined, told);
        for (const rule of said.split(' ').slice(2).map(Number))
          assert.deepEqual(differences(rules[rule]!, view), [], told);
        // what it routes by is the path that was judged, and the host without its port
        assert.equal(view.uri, pathOf(head), told);
        assert.equal(view.host, view.http_host.toLowerCase().replace(/:[0-9]*$/, ''), told);
      };
      for (let count = 0; count < HEADS; count += 10) await Promise.all(Array.from({ length: 10 }, compare));
    }
    for (const [name, count] of Object.entries(counts)) t.diagnostic(`${count} heads ${name}`);
    assert.ok(counts.allowed > POLICIES * 20);
  });
});
