/** Every place where a client or a server may put a secret, in good and in malformed messages. */
import type { Canaries, Shape } from './canary.ts';

/** Bytes of one connection (latin1), in the segments that they are sent in. */
export type Conversation = readonly string[];

const HOST = 'Host: shop.example\r\n';
/** Bytes that the kernel keeps of a target. */
const TARGET_MAX = 704;
const HOST_MAX = 200;

const get = (target: string, headers = HOST, version = 'HTTP/1.1'): string =>
  `GET ${target} ${version}\r\n${headers}\r\n`;
const post = (headers: string, body: string): string => `POST /canary/post HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
const percent = (text: string): string => Buffer.from(text).toString('hex').replace(/../g, '%$&');

/** Secrets in the query: values are never kept, whatever they look like. */
function inQueries(canaries: Canaries): Conversation[] {
  const secret = (place: string) => canaries.make(`query: ${place}`);
  return [
    [get(`/canary/q?token=${secret('value')}&b=${secret('second value')}`)],
    [get(`/canary/q?a=1;password=${secret('behind a semicolon')}`)],
    [get(`/canary/q?a=b=${secret('behind a second equals sign')}`)],
    [get(`/canary/q?a=b?c=${secret('behind a second question mark')}`)],
    [get(`/canary/q?=${secret('without a name')}`)],
    [get(`/canary/q?a=${percent(secret('percent-encoded'))}`)],
    [get(`/canary/q?a=%25${percent(secret('percent-encoded twice')).replaceAll('%', '%25')}`)],
    [get(`/canary/q?a[]=${secret('array')}&a[x]=${secret('object')}`)],
    [get(`/canary/q?a="${secret('in quotes')}"`)],
    [get(`/canary/q?a=\xff${secret('behind a byte that is no text')}`)],
    [get(`/canary/q#access_token=${secret('fragment')}`)],
    [get(`/canary/q?x=1#access_token=${secret('fragment behind a query')}`)],
    [get(`http://shop.example/canary/q?a=${secret('absolute form')}`)],
    [get(`http://shop.example?a=${secret('absolute form without path')}`)],
    [get(`/canary/q?a=${'x'.repeat(TARGET_MAX - 20)}${secret('where the target is cut')}`)],
    [get(`/canary/q?a=${secret('HTTP/1.0')}`, '', 'HTTP/1.0')],
    [`GET /canary/q?a=${secret('line feeds only')} HTTP/1.1\n${HOST}\n`],
  ];
}

/** Credentials, wherever a URL or a host may hold them. */
function inCredentials(canaries: Canaries): Conversation[] {
  const secret = (place: string) => canaries.make(`credentials: ${place}`);
  return [
    [get(`http://ann:${secret('absolute form')}@shop.example/canary/c`)],
    [get(`http://${secret('absolute form, name only')}@shop.example/canary/c`)],
    [get(`http://ann:${secret('absolute form, with a slash')}/x@shop.example/canary/c`, '')],
    [get(`http://ann:${'x'.repeat(TARGET_MAX)}${secret('absolute form, cut')}@shop.example/canary/c`, '')],
    [get(`http://ann:${secret('absolute form, end cut')}${'x'.repeat(TARGET_MAX)}@shop.example/canary/c`, '')],
    [`CONNECT ann:${secret('CONNECT')}@shop.example:443 HTTP/1.1\r\n${HOST}\r\n`],
    [get('/canary/c', `Host: ann:${secret('host')}@shop.example\r\n`)],
    [get('/canary/c', `Host: ann:${secret('host without a host')}\r\n`)],
    [get('/canary/c', `Host: ann:${secret('host, end cut')}${'x'.repeat(HOST_MAX)}@shop.example\r\n`)],
    [get('/canary/c', `Host: ${secret('host, name only, end cut')}${'x'.repeat(HOST_MAX)}@shop.example\r\n`)],
    [get(`/canary/redirect/http://ann:${secret('URL in a path')}@shop.example/x`)],
    [get(`/canary/redirect/http%3A%2F%2Fann%3A${secret('URL in a path, encoded')}%40shop.example%2Fx`)],
    [get(`ann:${secret('target without a slash')}@shop.example/x`)],
  ];
}

const PATTERNS: readonly Shape[] = ['hex', 'base64', 'jwt', 'email'];

/** Path segments of the default secret patterns. */
function inPaths(canaries: Canaries): Conversation[] {
  return PATTERNS.flatMap((shape): Conversation[] => {
    const secret = (place: string) => canaries.make(`path: ${place}`, shape);
    return [
      [get(`/canary/p/${secret('segment')}`)],
      [get(`/canary/p/${secret('segment with a neighbour')}/edit`)],
      [get(`/canary/p/;session=${secret('path parameter')}`)],
      [get(`http://shop.example/${secret('absolute form')}`)],
      [get(`/canary/p/${percent(secret('percent-encoded'))}`)],
      [get(`/canary/p/${percent(percent(percent(secret('percent-encoded three times'))))}`.slice(0, TARGET_MAX))],
      [get(`/canary/p/${'x/'.repeat((TARGET_MAX - 30) / 2)}${secret('where the target is cut')}`)],
      [get(`/canary/p?${secret('name of a query parameter')}=1`)],
      [get(`/canary/p?${secret('query without a value')}`)],
    ];
  });
}

/** Headers and trailers of requests: none is kept but Host and a valid traceparent. */
function inHeaders(canaries: Canaries): Conversation[] {
  const secret = (place: string) => canaries.make(`header: ${place}`);
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const headers: string[] = [
    `Authorization: Bearer ${secret('Authorization')}\r\n`,
    `Authorization: Basic ${Buffer.from(`ann:${secret('Authorization, base64')}`).toString('base64')}\r\n`,
    `Proxy-Authorization: Basic ${secret('Proxy-Authorization')}\r\n`,
    `Cookie: session=${secret('Cookie')}; b=${secret('second cookie')}\r\n`,
    `Cookie: ${'x'.repeat(1500)}${secret('Cookie over segments')}\r\n`,
    `X-Api-Key: ${secret('X-Api-Key')}\r\n`,
    `Referer: http://shop.example/?t=${secret('Referer')}\r\n`,
    `User-Agent: ${secret('User-Agent')}\r\n`,
    `X-A: b\r\n ${secret('folded')}\r\n`,
    `${secret('name')}: x\r\n`,
    `${secret('without a colon')}\r\n`,
    `traceparent: ${secret('traceparent')}\r\n`,
    `traceparent: ${trace}-${secret('traceparent, behind what is valid')}\r\n`,
    `traceparent: 01${trace.slice(2)}-${secret('traceparent of another version')}\r\n`,
    `traceparent: ${trace}\r\ntraceparent: ${secret('second traceparent')}\r\n`,
    `traceparent: ${trace}\r\ntracestate: a=${secret('tracestate')}\r\nbaggage: user=${secret('baggage')}\r\n`,
    `Host-Override: ${secret('name that begins like another')}\r\n`,
    `Content-Length: ${secret('Content-Length')}\r\n`,
    `Transfer-Encoding: ${secret('Transfer-Encoding')}\r\n`,
    `X-A: \0${secret('behind a NUL')}\r\n`,
    `X-A: \r${secret('behind a bare CR')}\r\n`,
  ];
  return headers.map((header) => [get('/canary/h', `${HOST}${header}`)]);
}

/** Bodies and their framing, and what follows a message. */
function inBodies(canaries: Canaries): Conversation[] {
  const secret = (place: string) => canaries.make(`body: ${place}`);
  const inner = (place: string) => get(`/${secret(place)}?a=1`, `Host: ${secret(`${place}, its host`)}\r\n`);
  const length = (text: string) => post(`Content-Length: ${text.length}\r\n`, text);
  const chunked = (text: string) => post('Transfer-Encoding: chunked\r\n', text);
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
  return [
    [length(`user=ann&password=${secret('form')}`)],
    [length(JSON.stringify({ token: secret('JSON') }))],
    [length(inner('that looks like a request'))],
    [length(inner('that looks like a request, apart')).slice(0, 90), get('/canary/after')],
    [chunked(`${chunk(secret('chunk'))}0\r\n\r\n`)],
    [chunked(`5;token=${secret('chunk extension')}\r\nhello\r\n0;x="${secret('last chunk extension')}"\r\n\r\n`)],
    [chunked(`${chunk(inner('chunk that looks like a request'))}0\r\nX-Sum: ${secret('trailer')}\r\n\r\n`)],
    [chunked(`zz\r\n${inner('behind a chunk size that is none')}`)],
    [post(`Content-Length: 5\r\nContent-Length: 6\r\n`, inner('behind two lengths'))],
    [post(`Content-Length: 3\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${inner('behind length and chunks')}`)],
    [`POST /canary/p HTTP/1.1\r\n${HOST}Content-Length: 900\r\n\r\n`, secret('that never ends')],
    [`CONNECT shop.example:443 HTTP/1.1\r\n${HOST}\r\n`, inner('tunnel')],
  ];
}

/** First lines that are none, and other protocols. */
function inMalformed(canaries: Canaries): Conversation[] {
  const secret = (place: string) => canaries.make(`malformed: ${place}`);
  return [
    [`GET /canary/m?t=${secret('HTTP/0.9')}\r\n`],
    [`GET  /canary/m?t=${secret('two blanks')} HTTP/1.1\r\n${HOST}\r\n`],
    [`GET /canary/m?t=a ${secret('blank in the target')} HTTP/1.1\r\n${HOST}\r\n`],
    [`GET /canary/m?t=\0${secret('NUL in the target')} HTTP/1.1\r\n${HOST}\r\n`],
    [`GET /canary/m?t=${secret('HTTP/2.0')} HTTP/2.0\r\n${HOST}\r\n`],
    [`${secret('method')} /canary/m HTTP/1.1\r\n${HOST}\r\n`],
    [`${secret('protocol of its own')}\r\n`],
    [`*2\r\n$4\r\nAUTH\r\n$20\r\n${secret('Redis')}\r\n`],
    [`\x16\x03\x01\x02\x00${secret('TLS')}`],
    [`GET /canary/m?t=${secret('line that never ends')}`],
    [`${get(`/canary/m`)}\x01${secret('garbage behind a request')}\r\n\r\n`],
  ];
}

/** All conversations. Those of the first list are also said to a listener that defers accepting. */
export function conversations(canaries: Canaries): { good: Conversation[]; other: Conversation[] } {
  const split = (text: string, at: number): Conversation => [
    text.slice(0, at),
    text.slice(at, at + 7),
    text.slice(at + 7),
  ];
  const whole = [...inQueries(canaries), ...inCredentials(canaries), ...inPaths(canaries), ...inHeaders(canaries)];
  const apart = [...inQueries(canaries), ...inCredentials(canaries), ...inPaths(canaries)].map((pieces, index) =>
    split(pieces.join(''), 14 + (index % 30)),
  );
  return { good: whole, other: [...apart, ...inBodies(canaries), ...inMalformed(canaries)] };
}

/** What the server answers to everything: secrets in all parts of a response. */
export function response(canaries: Canaries): string {
  const secret = (place: string) => canaries.make(`response: ${place}`);
  const body = `<input value="${secret('body')}">`;
  return (
    `HTTP/1.1 103 ${secret('reason of an interim response')}\r\nLink: <${secret('Link')}>\r\n\r\n` +
    `HTTP/1.1 200 ${secret('reason')}\r\nSet-Cookie: session=${secret('Set-Cookie')}\r\n` +
    `Location: http://shop.example/?token=${secret('Location')}\r\nWWW-Authenticate: ${secret('WWW-Authenticate')}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}
