/** What a span tells of a statement. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statementFacts } from '../../store/embedded/statement_facts.ts';
import { tokens } from '../../store/embedded/tokens.ts';

const facts = (sql: string) => {
  const { keyword, database, table, text } = statementFacts(sql, tokens(sql));
  return [keyword, database, table, text];
};

for (const [sql, expected] of [
  [
    "SELECT a FROM flowspan.requests WHERE b = 'secret' AND c > 12",
    ['SELECT', 'flowspan', 'requests', 'SELECT a FROM flowspan.requests WHERE b = ? AND c > ?'],
  ],
  ['select 1', ['SELECT', undefined, undefined, 'select ?']],
  ['(SELECT 1)', ['SELECT', undefined, undefined, '(SELECT ?)']],
  ['SELECT * FROM (SELECT * FROM t)', ['SELECT', undefined, 't', 'SELECT * FROM (SELECT * FROM t)']],
  ['SELECT * FROM numbers(3)', ['SELECT', undefined, undefined, 'SELECT * FROM numbers(?)']],
  ['WITH x AS (SELECT 2) SELECT * FROM `a b`.t', ['WITH', 'a b', 't', 'WITH x AS (SELECT ?) SELECT * FROM `a b`.t']],
  [
    'INSERT INTO flowspan.requests (a, b) ',
    ['INSERT', 'flowspan', 'requests', 'INSERT INTO flowspan.requests (a, b) '],
  ],
  ['INSERT INTO TABLE t (a)', ['INSERT', undefined, 't', 'INSERT INTO TABLE t (a)']],
  ['CREATE TABLE t (a UInt8)', ['CREATE', undefined, 't', 'CREATE TABLE t (a UInt8)']],
  ["SELECT {p0:String}, 'it''s'", ['SELECT', undefined, undefined, 'SELECT {p0:String}, ?']],
] as const) {
  test(sql, () => assert.deepEqual(facts(sql), expected));
}
