/** The kernel's judge says of every head what the collector's does, however the head is split. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { beginFrames, readFrames } from '../../../collector/src/control/policy/http/frames.ts';
import type { HttpUnit } from '../../../collector/src/control/policy/http/unit.ts';
import { JUDGED } from '../../../collector/src/control/policy/http/verdict.ts';
import { headOf, rulesOf } from '../../collector/policy/http/generate.ts';
import { compiledRules } from '../../collector/policy/http/judging.ts';
import { whyNot } from '../../support/flowspan.ts';
import { randomOf } from '../http/exchange.ts';
import { compileJudge, KernelJudge, PIECE_MAX } from './judge.ts';

const SEED = Number(process.env.JUDGE_SEED ?? 1);
const POLICIES = Number(process.env.JUDGE_POLICIES ?? 12);
/** Of each policy. */
const HEADS = 500;

const onlyUnit = (rules: Parameters<typeof compiledRules>[0]): HttpUnit => {
  const { units } = compiledRules(rules);
  assert.equal(units.length, 1);
  return units[0]!.unit;
};

describe('the judge in the kernel', { skip: whyNot() ?? false }, () => {
  let kernel: KernelJudge;
  before(() => {
    kernel = new KernelJudge(compileJudge(), POLICIES + 1);
  });
  after(() => kernel?.dispose());

  /** Both read the same pieces; after each they must stand at the same place. @returns what was said in the end */
  function compare(number: number, unit: HttpUnit, pieces: readonly Buffer[]): number {
    const frames = beginFrames(unit);
    for (const [index, piece] of pieces.entries()) {
      if (frames.judgement.verdict !== JUDGED.none) break;
      const expected = readFrames(unit, frames, piece);
      const seen = kernel.read(number, index === 0, piece);
      const told = JSON.stringify(pieces.map((one) => one.toString('latin1')));
      assert.equal(seen, expected, told);
      assert.deepEqual(kernel.frames(number), frames, told);
    }
    return frames.judgement.verdict;
  }

  function split(random: (below: number) => number, bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length)
      pieces.push(bytes.subarray(at, at + 1 + random(random(3) === 0 ? 40 : PIECE_MAX)));
    return pieces;
  }

  it('judges as the collector does', (t) => {
    const counts = new Map<number, number>();
    for (let policy = 0; policy < POLICIES; policy += 1) {
      const random = randomOf(SEED * 3_000_000 + policy);
      const unit = onlyUnit(rulesOf(random, 5));
      kernel.set(policy, unit);
      for (let count = 0; count < HEADS; count += 1) {
        const bytes = Buffer.from(`${headOf(random)}GET / HTTP/1.1\r\n\r\n`, 'latin1');
        const verdict = compare(policy, unit, split(random, bytes));
        counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      }
    }
    for (const [name, verdict] of Object.entries(JUDGED).slice(1, 4))
      t.diagnostic(`${counts.get(verdict) ?? 0} heads ${name}`);
    for (const verdict of [JUDGED.allowed, JUDGED.denied, JUDGED.unjudged])
      assert.ok((counts.get(verdict) ?? 0) > POLICIES * 20, `${verdict}`);
  });

  it('reads byte by byte, and around the edges of what it loads at once', () => {
    const unit = onlyUnit([{ path: '/a+' }, { headers: [{ name: 'x', pattern: '[ab]*' }] }]);
    kernel.set(POLICIES, unit);
    for (const length of [1, 30, 990, 1023, 1024, 1025, 2047, 2049]) {
      const head = Buffer.from(
        `GET /${'a'.repeat(length)} HTTP/1.1\r\nHost: a\r\nX: ${'ab'.repeat(length / 2)}\r\n\r\nbody`,
      );
      const random = randomOf(SEED + length);
      compare(POLICIES, unit, split(random, head));
      if (head.length <= PIECE_MAX) compare(POLICIES, unit, [head]);
      for (const at of [1, 31, 32, 33, 1023, 1024, 1025])
        compare(POLICIES, unit, [head.subarray(0, at), ...split(random, head.subarray(at))]);
      if (length < 1000)
        compare(
          POLICIES,
          unit,
          [...head].map((byte) => Buffer.of(byte)),
        );
    }
  });

  it('reads no more than the longest head', () => {
    const unit = onlyUnit([{}]);
    kernel.set(POLICIES, unit);
    for (const beyond of [-1, 0, 1, 5000]) {
      const [line, end] = ['GET / HTTP/1.1\r\nHost: a\r\nA: ', '\r\n\r\n'];
      const head = Buffer.from(line + 'b'.repeat(16_384 - line.length - end.length + beyond) + end);
      const verdict = compare(POLICIES, unit, split(randomOf(SEED), head));
      assert.equal(verdict, beyond > 0 ? JUDGED.unjudged : JUDGED.allowed);
    }
  });

  it('costs little', (t) => {
    const rules = Array.from({ length: 20 }, (_, index) => ({ method: 'GET', path: `/service-${index}/items/[^/]+` }));
    kernel.set(POLICIES, onlyUnit(rules));
    const browser = `User-Agent: ${'Mozilla/5.0 (X11; Linux x86_64) '.repeat(3)}\r\nAccept: */*\r\nCookie: ${'k=0123456789abcdef; '.repeat(80)}`;
    for (const lines of [
      'Host: shop.example\r\nUser-Agent: wrk/4\r\nAccept: */*',
      `Host: shop.example\r\n${browser}`,
    ]) {
      const head = Buffer.from(`GET /service-7/items/0123456789 HTTP/1.1\r\n${lines}\r\n\r\n`);
      compare(POLICIES, onlyUnit(rules), [head]);
      const costs = Array.from({ length: 9 }, () => kernel.cost(POLICIES, head, 20_000)).sort((a, b) => a - b);
      t.diagnostic(`${head.length} bytes: ${costs[4]} ns a head, ${(costs[4]! / head.length).toFixed(2)} ns a byte`);
    }
    t.diagnostic(`${kernel.verifiedInstructions()} instructions verified`);
  });
});
