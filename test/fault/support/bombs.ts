/** Statements that take all the time and memory they are given. */

const chain = (count: number, link: (index: number) => string) => Array.from({ length: count }, (_, at) => link(at));

/** Name, statement, and whether it may also come to an end. The first four keep a core busy until they are cut off. */
export const BOMBS: readonly (readonly [name: string, sql: string, mayEnd?: true])[] = [
  ['cross join', 'SELECT count() FROM numbers(100000000) a, numbers(100000000) b WHERE (a.number * b.number) % 7 = 8'],
  ['distinct', 'SELECT count() FROM (SELECT DISTINCT sipHash64(number) FROM numbers(1000000000))'],
  ['primes', 'SELECT max(prime) FROM primes(1000000000)'],
  [
    'join of equals',
    'SELECT count() FROM (SELECT 1 a FROM numbers(1e7)) l JOIN (SELECT 1 a FROM numbers(1e7)) r USING a',
  ],
  [
    'ten years of groups',
    'SELECT toDateTime(number) t, count() FROM numbers(315360000) GROUP BY t ORDER BY 2 DESC LIMIT 1',
  ],
  ['arrayJoin', 'SELECT sum(arrayJoin(range(1000000))) FROM numbers(1000000)'],
  ['range', 'SELECT length(range(1000000000))'],
  ['arrayFold', 'SELECT arrayFold((a, x) -> cityHash64(a, x), range(100000000), toUInt64(0))'],
  ['memory', 'SELECT length(groupArray(number)) FROM numbers(1000000000)'],
  ['repeat', "SELECT length(repeat('a', 1000000000))"],
  ['regular expression', `SELECT match(repeat('a', 1000000), '${'a?'.repeat(4000)}')`, true],
  ['repeated repetition', "SELECT match(repeat('a', 1000000), '((((a{1,10}){1,10}){1,10}){1,10})b')"],
  ['LIKE', `SELECT repeat('a', 1000000) LIKE '${'%a'.repeat(2000)}b'`, true],
  [
    'many expressions at once',
    `SELECT multiMatchAny(repeat('a', 1000000), [${chain(100, (at) => `'.{1,500}a${at}.{1,500}b'`)}])`,
  ],
  ['edit distance', "SELECT editDistance(repeat('a', 60000), repeat('b', 60000))"],
  ['sleep', 'SELECT sleep(3), sleep(2.9), sleep(2.8)'],
  ['recursion', 'WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r) SELECT count() FROM r'],
  [
    'subqueries that double',
    `WITH a0 AS (SELECT 1 x), ${chain(24, (at) => `a${at + 1} AS (SELECT * FROM a${at} UNION ALL SELECT * FROM a${at})`)} SELECT count() FROM a24`,
  ],
  [
    'names that double',
    `WITH ${chain(40, (at) => `(${at === 0 ? '1, 1' : `x${at - 1}, x${at - 1}`}) AS x${at}`)} SELECT x39`,
  ],
  [
    'functions that double',
    `WITH ${chain(40, (at) => `(y -> ${at === 0 ? 'y + 1' : `f${at - 1}(f${at - 1}(y))`}) AS f${at}`)} SELECT f39(1)`,
  ],
  ['deep brackets', `SELECT ${'('.repeat(5000)}1${')'.repeat(5000)}`],
  ['a long sum', `SELECT ${'1+'.repeat(20_000)}1`],
  ['a long list', `SELECT number IN (${chain(40_000, String)}) FROM numbers(1)`, true],
  ['wide rows', `SELECT ${chain(5000, (at) => `1 a${at}`)} FROM numbers(1000000)`],
  ['gaps filled', 'SELECT number FROM numbers(2) ORDER BY number WITH FILL FROM 0 TO 1000000000000 STEP 1'],
  ['system tables', 'SELECT count() FROM system.columns a, system.columns b, system.columns c'],
];
