/** Real programs that speak past TCP: they notice nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening, run, start } from '../../../deploy/lab/program.ts';
import { builtTestProgram } from '../../native/build.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { u32 } from './pinned.ts';
import { createRedirect, IN_TCP, NO_PEER, REDIRECTED, type Redirect } from './redirect.ts';

const FILE_BYTES = 20_000_000;

describe('redirected connections', () => {
  let redirect: Redirect;
  let nginx: Nginx;
  /** The process that reads and writes. */
  let worker: number;

  before(async () => {
    redirect = createRedirect();
    nginx = await startNginx(redirect.server, {
      workers: 1,
      locations: 'location /ok { return 200 ok; } location /put { client_max_body_size 0; return 200 ok; }',
    });
    worker = Number(execFileSync('pgrep', ['-P', String(nginx.program.pid)], { encoding: 'utf8' }));
  });
  after(async () => {
    await nginx?.stop();
    redirect?.end();
  });

  beforeEach(() => redirect.optIn('client', 'server'));

  const curl = (...words: string[]): Promise<string> => run(redirect.client, ['curl', '-sS', ...words]);

  it('carry requests of one connection after another, and many at once', async () => {
    const counted = redirect.counting();
    for (let i = 0; i < 5; i += 1) assert.equal(await curl(`http://${redirect.host.ipv4}/ok`), 'ok');
    const printed = await run(redirect.client, ['wrk', '-d1', '-t1', '-c20', `http://${redirect.host.ipv4}/ok`]);
    assert.doesNotMatch(printed, /Socket errors|Non-2xx/);
    const requests = nginx.answered('/ok');
    const { stops, cableBytes } = counted();
    assert.ok(stops[REDIRECTED]! >= 2 * requests - 100, `${requests} requests, ${stops}`);
    assert.ok(cableBytes < 100 * requests, `${cableBytes} bytes on the cable`);
  });

  it('are read by the program that is put there, at any offset, until it is taken away', async () => {
    const { dataplane, host } = redirect;
    dataplane.loadBeside(builtTestProgram('read_message.bpf.o'), 'read_message');
    const seen = (): Buffer => dataplane.get('seen_messages', u32(0));
    dataplane.setProgram('redirect_readers', u32(0), 'read_message');
    assert.equal(await curl(`http://${host.ipv4}/ok`), 'ok');
    assert.deepEqual([seen().readBigUInt64LE(0), seen().subarray(16).toString().slice(-6)], [2n, '\r\n\r\nok']);
    const bytes = seen().readBigUInt64LE(8);
    assert.equal((await curl(`http://${host.ipv4}/static/100000.txt`)).length, 100_000);
    assert.ok(seen().readBigUInt64LE(8) - bytes > 100_000n);
    assert.equal(seen().subarray(16).toString(), 'x'.repeat(32));
    dataplane.delete('redirect_readers', u32(0));
    const messages = seen().readBigUInt64LE(0);
    assert.equal(await curl(`http://${host.ipv4}/ok`), 'ok');
    assert.equal(seen().readBigUInt64LE(0), messages);
  });

  it('carry files that the kernel sends', async () => {
    const bytes = randomBytes(FILE_BYTES);
    writeFileSync(join(nginx.folder, 'static/large'), bytes);
    const digest = createHash('sha256').update(bytes).digest('hex');
    for (const words of [[], ['--limit-rate', '20M']]) {
      const printed = await run(redirect.client, [
        'sh',
        '-c',
        `curl -sS ${words.join(' ')} http://${redirect.host.ipv4}/static/large | sha256sum`,
      ]);
      assert.equal(printed.split(' ')[0], digest);
    }
  });

  for (const ends of [['client', 'server'], ['client']] as const)
    for (const bytes of [150_000, 3_000_000])
      it(`carry ${bytes} bytes up while the server does not look, of ${ends.join(' and ')} that opted in`, async () => {
        redirect.optIn(...ends);
        const counted = redirect.counting();
        const upload = `(sleep 0.2; head -c ${bytes} /dev/zero) | curl -sS -m 5 -H Expect: -T - http://${redirect.host.ipv4}/put`;
        const asked = run(redirect.client, ['sh', '-c', upload]);
        await sleep(100);
        process.kill(worker, 'SIGSTOP');
        await sleep(400);
        process.kill(worker, 'SIGCONT');
        assert.equal(await asked, 'ok');
        assert.equal(counted().stops[REDIRECTED]! > 0, ends.length === 2);
      });

  it('begin in TCP, and stay there, where the server is told of them by their first bytes', async () => {
    const deferred = await startNginx(redirect.server, {
      port: 81,
      listen: 'deferred',
      locations: 'location /ok { return 200 ok; }',
    });
    const counted = redirect.counting();
    for (let i = 0; i < 10; i += 1)
      assert.equal(await curl(`http://${redirect.host.ipv4}:81/ok`, `http://${redirect.host.ipv4}:81/ok`), 'okok');
    const { stops } = counted();
    assert.equal(stops[NO_PEER], 10, 'the first request found no other end');
    assert.ok(stops[REDIRECTED]! >= 20, 'the answers did');
    assert.equal(stops[IN_TCP], 0);
    await deferred.stop();
  });

  it('carry what redis is asked', async () => {
    const redis = start(redirect.server, [
      'redis-server',
      '--port',
      '6379',
      '--bind',
      '0.0.0.0',
      '--save',
      '',
      '--protected-mode',
      'no',
    ]);
    await listening(redirect.server.namespace, 6379);
    const counted = redirect.counting();
    const ask = (...words: string[]) => run(redirect.client, ['redis-cli', '-h', redirect.host.ipv4, ...words]);
    assert.match(
      await run(redirect.client, [
        'redis-benchmark',
        '-h',
        redirect.host.ipv4,
        '-n',
        '20000',
        '-P',
        '16',
        '-q',
        '-t',
        'set,get,lpush,lrange_300',
      ]),
      /LRANGE_300.*requests per second/,
    );
    const value = 'v'.repeat(200_000);
    assert.equal(
      await run(redirect.client, [
        'sh',
        '-c',
        `head -c 200000 /dev/zero | tr '\\0' v | redis-cli -h ${redirect.host.ipv4} -x set large`,
      ]),
      'OK\n',
    );
    assert.equal(await ask('get', 'large'), `${value}\n`);
    const { stops } = counted();
    assert.ok(stops[REDIRECTED]! > 5000, `${stops}`);
    await redis.stop();
  });
});
