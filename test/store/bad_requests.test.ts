import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
});
after(() => store.close());

/** Sends bytes and waits for the end of the connection or 300 ms of silence. */
function send(...pieces: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(store.url).port), '127.0.0.1');
    let got = '';
    socket.setTimeout(300, () => socket.destroy());
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(got));
    for (const piece of pieces) socket.write(piece);
  });
}

const post = (target: string, body: string | Buffer, headers = '') =>
  send(
    `POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n`,
    body,
  );

const alive = async () => assert.equal(await (await fetch(`${store.url}/?query=SELECT+42`)).text(), '42\n');

test('requests that make no sense are answered or dropped, and the store goes on', async () => {
  const garbage = Buffer.from(gzipSync('SELECT 1').toString('latin1').replace('\x1f', '\x1e'), 'latin1');
  const cut = gzipSync('SELECT 1').subarray(0, 15);
  const gzip = 'Content-Encoding: gzip\r\n';
  const insert = '/?query=INSERT+INTO+flowspan.t+FORMAT+CSV+1,2';
  const tries: Promise<string>[] = [
    send('GET // HTTP/1.1\r\nHost: x\r\n\r\n'),
    send('GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n'),
    send('GET /?query=%zz%00 HTTP/1.1\r\nHost: x\r\n\r\n'),
    send('GET /?query=SELECT+1&query_id=%0d%0aX-Evil:+1 HTTP/1.1\r\nHost: x\r\n\r\n'),
    send('GET /?query=SELECT+1+FORMAT+CSV%0d%0a HTTP/1.1\r\nHost: x\r\n\r\n'),
    send(`GET /?query=${'x'.repeat(300_000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
    send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nSELECT'),
    send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    send('\0\0\0\0\x16\x03\x01'),
    post('/', garbage, gzip),
    post('/', cut, gzip),
    post(insert, garbage, gzip),
    post(insert, cut, gzip),
    post('/', 'x', 'Content-Encoding: rot13\r\n'),
    post('/', 'SELECT 1', 'Authorization: Basic !!!\r\n'),
    post('/', "SELECT 'unclosed"),
    post('/', 'SELECT /* unclosed'),
    post('/', `SELECT ${'('.repeat(5000)}`),
    post('/', `SELECT ${'1+'.repeat(20_000)}1`),
    post('/', Buffer.alloc(2_000_000, 'x')),
    post('/', ''),
    post('/?param_a-b=1', 'SELECT 1'),
    post('/?database=nonesuch', 'SELECT 1'),
    post('/?database=%60;DROP', 'SELECT 1'),
    post("/?param_x=1';DROP", 'SELECT {x:String}'),
    post('/?default_format=Nonesuch', 'SELECT 1'),
    post("/?default_format=CSV'", 'SELECT 1'),
  ];
  const answers = await Promise.all(tries);
  assert.ok(
    answers.every((answer) => !/X-Evil/i.test(answer.split('\r\n\r\n')[0]!)),
    'no header was smuggled in',
  );
  await alive();
});

test('random bytes, as statement, rows and URL', async () => {
  const key = readFileSync(join(store.dataDir, 'writer_password'), 'utf8').trim();
  const writer = `X-ClickHouse-User: collector\r\nX-ClickHouse-Key: ${key}\r\n`;
  await store.writer().command({
    query:
      'CREATE TABLE flowspan.r (a UInt64, b LowCardinality(String), c Map(String, UInt8)) ENGINE = MergeTree ORDER BY a',
  });
  for (let round = 0; round < 30; round++) {
    const bytes = Buffer.concat(
      Array.from({ length: 1 + (round % 7) }, (_, part) =>
        createHash('sha512').update(`seed ${round} ${part}`).digest(),
      ),
    );
    await Promise.all([
      post('/', bytes),
      post('/', Buffer.concat([Buffer.from('SELECT '), bytes])),
      post('/?query=INSERT+INTO+flowspan.r+FORMAT+RowBinary', bytes, writer),
      post('/', Buffer.concat([Buffer.from('INSERT INTO flowspan.r FORMAT Native\n'), bytes]), writer),
      send(`GET /?${bytes.toString('base64')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      send(bytes),
    ]);
  }
  await alive();
  assert.ok(!store.log.includes('FLOW_STORE_UPKEEP'));
});
