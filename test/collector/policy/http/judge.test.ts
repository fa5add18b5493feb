/** Rules and heads, case by case: what RFC 9112 and nginx's reading make of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HttpRule } from '../../../../collector/src/control/policy/http/rules.ts';
import { compiledRules, judge, judged } from './judging.ts';

const get = (target: string, ...headers: string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: a.example\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`;

/** Rules, then what is said of each head. */
const RULES: Readonly<Record<string, readonly [rules: HttpRule[], heads: Readonly<Record<string, string>>]>> = {
  'a rule that demands nothing allows what can be judged': [
    [{}],
    {
      [get('/')]: 'allowed by 0',
      'DELETE /x HTTP/1.0\r\n\r\n': 'allowed by 0',
      'nonsense\r\n\r\n': 'unjudged: method',
    },
  ],
  'every field of a rule must match, as a whole': [
    [{ method: 'GET|HEAD', path: '/a/[0-9]+', host: 'a\\.example' }, { method: 'PUT' }],
    {
      [get('/a/1')]: 'allowed by 0',
      [get('/a/1x')]: 'denied',
      [get('/b/a/1')]: 'denied',
      [get('/a/1').replace('GET', 'HEAD')]: 'allowed by 0',
      [get('/a/1').replace('GET', 'GETS')]: 'denied',
      [get('/any').replace('GET', 'PUT')]: 'allowed by 1',
      [get('/a/1').replace('a.example', 'b.example')]: 'denied',
      [get('/a/1').replace('a.example', 'axexample')]: 'denied',
      'GET /a/1 HTTP/1.0\r\n\r\n': 'denied',
      'PUT /a/1 HTTP/1.0\r\n\r\n': 'allowed by 1',
    },
  ],
  'hosts match in any case, with their port': [
    [{ host: 'A.example' }, { host: '[a-z.]+:8080' }, { host: '\\[::1\\]' }],
    {
      [get('/').replace('a.example', 'a.EXAMPLE')]: 'allowed by 0',
      [get('/').replace('a.example', 'A.Example:8080')]: 'allowed by 1',
      [get('/').replace('a.example', '[::1]')]: 'allowed by 2',
      [get('/').replace('a.example', 'a.example.')]: 'unjudged: host',
      [get('/').replace('a.example', 'a..example')]: 'unjudged: host',
      [get('/').replace('a.example', '')]: 'unjudged: host',
      [get('/').replace('a.example', 'a.example/x')]: 'unjudged: host',
      [get('/').replace('a.example', 'a@b')]: 'unjudged: host',
      [get('/').replace('a.example', 'a b')]: 'unjudged: host',
    },
  ],
  'the path is matched with its query': [
    [{ path: '/a' }, { path: '/a\\?x=[^&]*' }, { path: '/q.*' }],
    {
      [get('/a')]: 'allowed by 0',
      [get('/a?')]: 'denied',
      [get('/a?x=1')]: 'allowed by 1',
      [get('/a?x=1&y=2')]: 'denied',
      [get('/q?../..//%2e%2f%zz;\u007f')]: 'unjudged: target_byte',
      [get('/q?../..//%2e%2f%zz;{|}')]: 'allowed by 2',
    },
  ],
  'a path with escapes must match as it was sent and decoded': [
    [{ path: '/[^ ]*' }, { path: '/[a-z%0-9 ]*' }, { path: '/caf(?:é|%C3%A9)' }, { path: '/x%20y' }],
    {
      [get('/a%20b')]: 'allowed by 1',
      [get('/caf%C3%A9')]: 'allowed by 0 2',
      [get('/caf%c3%a9')]: 'allowed by 0',
      [get('/%61')]: 'allowed by 0 1',
      [get('/x%20y')]: 'allowed by 1',
      [get('/a%2')]: 'unjudged: target_escape',
      [get('/a%g0')]: 'unjudged: target_escape',
    },
  ],
  'headers that a rule names must be there, once': [
    [
      { headers: [{ name: 'X-Team' }] },
      { headers: [{ name: 'x-team', value: 'a.b' }] },
      {
        headers: [
          { name: 'X-TEAM', pattern: '[a-c.]+' },
          { name: 'X-Level', pattern: '[1-3]' },
        ],
      },
    ],
    {
      [get('/')]: 'denied',
      [get('/', 'X-Team: z')]: 'allowed by 0',
      [get('/', 'x-tEAM:  a.b ')]: 'allowed by 0 1',
      [get('/', 'X-Team:axb')]: 'allowed by 0',
      [get('/', 'X-Team: a.b', 'X-Level: 3')]: 'allowed by 0 1 2',
      [get('/', 'X-Team: a.b', 'X-Level: 4')]: 'allowed by 0 1',
      [get('/', 'X-Level: 3')]: 'denied',
      [get('/', 'X-Team:')]: 'allowed by 0',
      [get('/', 'X-Team: a', 'X-Team: a')]: 'unjudged: duplicate',
      [get('/', 'X-Teams: a', 'Other: x', 'Other: y')]: 'denied',
      [get('/', 'X-Team: a  b')]: 'allowed by 0',
      [get('/', 'X-Team: \xe9')]: 'allowed by 0',
    },
  ],
  'a pattern with a blank at its end matches no value, which never has one': [
    [{ headers: [{ name: 'a', pattern: 'b ' }] }, { headers: [{ name: 'a', pattern: 'b c' }] }],
    { [get('/', 'a: b ')]: 'denied', [get('/', 'a: b')]: 'denied', [get('/', 'a: b c ')]: 'allowed by 1' },
  ],
  'a rule may name Host as a header': [
    [{ headers: [{ name: 'Host', value: 'a.example' }] }],
    { [get('/')]: 'allowed by 0', [get('/').replace('a.ex', 'b.ex')]: 'denied' },
  ],
};

describe('rules allow', () => {
  for (const [name, [rules, heads]] of Object.entries(RULES))
    it(name, () => {
      const compiled = compiledRules(rules);
      for (const [head, expected] of Object.entries(heads))
        assert.equal(judged(compiled, head), expected, JSON.stringify(head));
    });
});

/** Heads that some readers take for another request than others do, by what is said of them. */
const UNJUDGED: Readonly<Record<string, readonly string[]>> = {
  method: ['get / HTTP/1.1\r\n', ' GET / HTTP/1.1\r\n', 'G?T / HTTP/1.1\r\n', 'GET\t/ HTTP/1.1\r\n', '\x16\x03\x01'],
  target_form: [
    get('http://a.example/'),
    get('HTTP://b/'),
    get('*'),
    get('a.example:443'),
    get(' /'),
    'GET  HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ],
  target_byte: [get('/a#b'), get('/a\\b'), get('/a\0'), get('/\xe9'), get('/a\tb'), get('/?#')],
  target_slashes: [get('//'), get('/a//b'), get('/a//')],
  target_dots: [
    get('/.'),
    get('/..'),
    get('/./a'),
    get('/../a'),
    get('/a/..'),
    get('/a/.?x'),
    get('/..;/a'),
    get('/a/.;b'),
  ],
  target_escape: [
    get('/a%2fb'),
    get('/a%2Fb'),
    get('/%2e%2e/a'),
    get('/.%2e/a'),
    get('/a%00'),
    get('/a%0d%0a'),
    get('/%252e'),
    get('/a%3fb'),
    get('/a%23'),
    get('/a%5c'),
    get('/%'),
    get('/%7f'),
  ],
  version: [
    'GET / HTTP/2.0\r\n',
    'GET / HTTP/1.2\r\n',
    'GET / HTTP/1.10\r\n',
    'GET / HTTP/01.1\r\n',
    'GET / http/1.1\r\n',
    'GET /  HTTP/1.1\r\n',
    'GET / HTTP/1.1 \r\n',
  ],
  line_end: [
    '\r\nGET / HTTP/1.1\r\n',
    'GET /\r\n',
    'GET / HTTP/1.1\n',
    'GET / HTTP/1.1\r\r\n',
    'GET / HTTP/1.1\r\nHost: a\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\n\n',
    'GET / HTTP/1.1\r\nA: b\rc\r\n',
    'GET / HTTP/1.1\r\nHost: a\rb\r\n',
    'GET / HTTP/1.1\r\nA\r\n',
    'GET / HTTP/1.1\r\n\rX',
  ],
  folded: [get('/', 'A: b', ' c: d'), get('/', '\tc'), get('/', 'A: b', ' Host: c')],
  header_name: [
    get('/', 'Transfer-Encoding : chunked'),
    get('/', ': a'),
    get('/', 'A B: c'),
    get('/', 'H\xe9: c'),
    get('/', 'A(b): c'),
    get('/', 'A\0: c'),
  ],
  header_value: [
    get('/', 'Host:\ta'),
    get('/', 'Content-Length: 1\t'),
    get('/', 'Upgrade: a\tb'),
    get('/', 'A: b\0'),
    get('/', 'A: \x7f'),
    get('/', 'A: \x1b'),
    'GET / HTTP/1.1\r\nHost: a\0b\r\n',
  ],
  duplicate: [
    get('/', 'host: a.example'),
    get('/', 'Content-Length: 1', 'content-length: 1'),
    get('/', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
  ],
  host: ['GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  framing: [
    get('/', 'Content-Length: 1', 'Transfer-Encoding: chunked'),
    get('/', 'Transfer-Encoding: chunked', 'Content-Length: 1'),
    get('/', 'Content-Length: 1, 1'),
    get('/', 'Content-Length: +1'),
    get('/', 'Content-Length: 0x1'),
    get('/', 'Content-Length: 1 1'),
    get('/', 'Content-Length:'),
    get('/', 'Content-Length: 1234567890123456789'),
    get('/', 'Transfer-Encoding: gzip, chunked'),
    get('/', 'Transfer-Encoding: xchunked'),
    get('/', 'Transfer-Encoding: identity'),
    'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  upgrade: [get('/', 'Upgrade: h2c'), get('/', 'Upgrade: websocket, h2c')],
  too_long: [get('/', `A: ${'b'.repeat(16_384)}`), `GET /${'a'.repeat(20_000)}`],
};

describe('what readers read differently is not judged', () => {
  const anything = compiledRules([{}]);
  for (const [why, heads] of Object.entries(UNJUDGED))
    it(why, () => {
      for (const head of heads) assert.equal(judged(anything, head), `unjudged: ${why}`, JSON.stringify(head));
    });

  it('and what is unusual, but clear, is', () => {
    for (const head of [
      get('/a.b/..c/.d/e..'),
      get('/!$&\'()*+,-.:;=@[]_~|{}"<>^`'),
      get('/', 'Content-Length: 007', 'Upgrade: WebSocket'),
      get('/', 'transfer-encoding:CHUNKED '),
      get('/', "!#$%&'*+-.^_`|~0: \t\xff"),
      get('/', 'A:'),
      get('/', `A: ${'b'.repeat(16_384 - get('/', 'A: ').length)}`),
      'M-SEARCH / HTTP/1.0\r\nHost: a\r\nHosts: b\r\n\r\n',
    ])
      assert.equal(judged(anything, head), 'allowed by 0', JSON.stringify(head));
  });

  it('a head that is not over is not judged yet, and what is behind it is not read', () => {
    const head = Buffer.from(get('/', 'Content-Length: 3'));
    for (let bytes = 0; bytes < head.length; bytes += 1)
      assert.deepEqual(judge(anything, [head.subarray(0, bytes)]), { said: 'goes on', bytes });
    const whole = Buffer.concat([head, Buffer.from('abcGET //')]);
    for (let bytes = 0; bytes < whole.length; bytes += 1)
      assert.deepEqual(judge(anything, [whole.subarray(0, bytes), whole.subarray(bytes)]), {
        said: 'allowed by 0',
        bytes: head.length,
      });
  });
});
